"""`ultron corpus`: files that somebody wrote, rules like Terraform's, and what is shown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.cli.corpus.corpus_files import read_corpus_file
from services.cli.corpus.rendering import (
    added_lines,
    corpora_lines,
    corpus_lines,
    removed_lines,
    trial_lines,
)
from services.cli.corpus.schedules import rule_name, rules_of
from services.cli.deployment.published import ScheduleAddresses
from services.cli.errors import UnavailableError
from services.cli.functions import raised_by_function
from services.cli.main import main
from shared.corpora.documents import corpus_document, parse_corpus
from shared.errors import InvalidInputError, SourceUnavailableError
from shared.models.corpus import Corpus

ROOT = Path(__file__).resolve().parents[3]
NOTES: dict[str, Any] = {"name": "notes", "source": {"kind": "jsonl", "prefix": "sources/notes/"}}
ADDRESSES = ScheduleAddresses(
    ingest_function_arn="arn:f",
    dead_letter_arn="arn:d",
    compact_queue_arn="arn:q",
    rule_prefix="ultron",
    default_incremental="cron(0 6 * * ? *)",
    maintenance="rate(7 days)",
)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "is no JSON"),
        ("a.json", b"[]", "holds no object"),
        ("a.json", b"[" * 100_000, "is no JSON"),
        ("a.json", b"\xff\xfe", "cannot be read"),
        ("a.toml", b"name = ", "is no TOML"),
        ("a.toml", b'name = "notes"', "source: Field required"),
        ("a.json", b'{"name": "notes", "source": {"kind": "wind"}}', "source"),
        ("a.json", b'{"name": "Notes", "source": {"kind": "jsonl"}}', "name: must be 1 to 63"),
        ("a.json", b'{"name": "n", "source": {"kind": "jsonl"}, "colour": 1}', "colour: Extra"),
        ("a.json", b'{"name": "\\ud800", "source": {"kind": "jsonl"}}', "name"),
        ("a.toml", b"name = 2026-11-23", "name: Input should be a valid string"),
    ],
)
def test_a_file_that_is_no_corpus_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=re.escape(words)) as caught:
        read_corpus_file(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"gone\.json cannot be read"):
        read_corpus_file(tmp_path / "gone.json")


def test_json_and_toml_say_the_same(tmp_path: Path) -> None:
    as_json, as_toml = tmp_path / "a.json", tmp_path / "a.toml"
    as_json.write_text("\ufeff" + json.dumps(NOTES))  # some editors begin a file so
    as_toml.write_text('name = "notes"\n[source]\nkind = "jsonl"\nprefix = "sources/notes/"\n')
    assert read_corpus_file(as_json) == read_corpus_file(as_toml)
    assert read_corpus_file(as_json, "other").name == "other"


def test_what_is_kept_of_a_corpus_is_what_was_said_of_it() -> None:
    document = NOTES | {"schedule": {"full": None}, "mapping": {"text": "body"}}
    corpus = Corpus.model_validate(document)
    assert json.loads(corpus_document(corpus)) == document
    assert parse_corpus(corpus_document(corpus), "here") == corpus


def terraform_of_rules() -> str:
    return (ROOT / "terraform" / "modules" / "schedule" / "main.tf").read_text(encoding="utf-8")


def test_the_event_of_a_rule_is_the_one_that_terraform_writes() -> None:
    [template] = re.findall(r'input_template = "(.*)"', terraform_of_rules())
    corpus = Corpus.model_validate(NOTES | {"schedule": {"incremental": "rate(1 day)",
                                                         "full": "rate(7 days)"}})  # fmt: skip
    for kind, mode in (("ingest", "incremental"), ("full", "full")):
        expected = (
            template.replace('\\"', '"')
            .replace("${each.value.corpus}", "notes")
            .replace("${each.value.mode}", mode)
        )
        target = rules_of(corpus, ADDRESSES)[kind].target
        assert target["InputTransformer"]["InputTemplate"] == expected
        assert target["InputTransformer"]["InputPathsMap"] == {
            "request_id": "$.id", "time": "$.time"
        }  # fmt: skip


def test_rules_have_the_names_descriptions_and_retries_of_terraform() -> None:
    terraform = terraform_of_rules()
    corpus = Corpus.model_validate(NOTES | {"schedule": {"incremental": "rate(1 day)",
                                                         "full": "rate(7 days)"}})  # fmt: skip
    rules = rules_of(corpus, ADDRESSES)
    assert {rule.name for rule in rules.values()} == {
        "ultron-ingest-notes", "ultron-full-notes", "ultron-upkeep-notes"
    }  # fmt: skip
    assert 'rule_name_of_mode = { incremental = "ingest", full = "full" }' in terraform
    assert '"${var.name_prefix}-upkeep-${each.key}"' in terraform
    for rule in rules.values():
        assert re.sub("notes", r"${each.*}", rule.description).split(" ${")[0] in terraform
        retries = rule.target["RetryPolicy"]
        assert f"maximum_event_age_in_seconds = {retries['MaximumEventAgeInSeconds']}" in terraform
        assert f"maximum_retry_attempts       = {retries['MaximumRetryAttempts']}" in terraform
    assert {rule.target["Id"] for rule in rules.values()} == set(
        re.findall(r'target_id = "(.*)"', terraform)
    )


@pytest.mark.parametrize(
    ("schedule", "addresses", "kinds"),
    [
        (None, {}, {"ingest", "upkeep"}),
        (None, {"default_incremental": None, "maintenance": None}, set()),
        ({}, {}, {"upkeep"}),
        ({"incremental": "rate(1 day)"}, {}, {"ingest", "upkeep"}),
        ({"full": "rate(1 day)"}, {"maintenance": None}, {"full"}),
    ],
)
def test_a_corpus_has_the_rules_that_it_needs(
    schedule: dict[str, str] | None, addresses: dict[str, None], kinds: set[str]
) -> None:
    corpus = Corpus.model_validate(NOTES | ({} if schedule is None else {"schedule": schedule}))
    assert set(rules_of(corpus, ADDRESSES.model_copy(update=addresses))) == kinds


def test_a_name_too_long_for_its_rules_is_refused() -> None:
    longest = 64 - len(rule_name("ultron", "ingest", ""))
    rules_of(Corpus.model_validate(NOTES | {"name": "n" * longest}), ADDRESSES)
    with pytest.raises(InvalidInputError, match="1 characters too long"):
        rules_of(Corpus.model_validate(NOTES | {"name": "n" * (longest + 1)}), ADDRESSES)


# What is shown.

RUN = {
    "run_id": "20261123T060000Z-0000000a", "mode": "full", "status": "succeeded",
    "started_at": "then", "ended_at": "now", "reason": None,
}  # fmt: skip
SUMMARY = {
    "name": "notes", "kind": "jsonl", "schedule": {"full": "rate(1 day)"},
    "managed_by": "terraform", "last_run": RUN,
}  # fmt: skip


def test_corpora_stand_in_a_table() -> None:
    header, line = corpora_lines({"corpora": [SUMMARY]})
    assert header.split() == ["corpus", "kind", "schedule", "managed", "by", "last", "run"]
    assert line.endswith("  terraform   succeeded (full, now)")
    assert "full rate(1 day)" in line
    damaged: dict[str, Any] = SUMMARY | {
        "kind": None, "schedule": {}, "last_run": None, "problem": "it is bad"
    }  # fmt: skip
    *_, line, warning = corpora_lines({"corpora": [SUMMARY, damaged]})
    assert "not valid" in line
    assert "none yet" in line
    assert warning == "warning: it is bad"


def test_a_corpus_without_rules_says_how_its_runs_begin() -> None:
    shown = SUMMARY | {"parameter": "/x", "rules": [], "document": "{"}
    lines = list(corpus_lines(shown))
    assert "no rules: its runs begin by `ultron run start` only" in lines
    assert lines[-1] == '"{"'


@pytest.mark.parametrize("change", ["added", "replaced", "unchanged"])
def test_what_adding_did_is_said(change: str) -> None:
    outcome = {"corpus": "notes", "change": change, "reads_again": change == "replaced"}
    lines = list(added_lines(outcome | {"rules": [{"name": "r", "expression": "rate(1 day)"}]}))
    assert "rule r: rate(1 day)" in lines
    assert ("its next run reads the whole source" in "\n".join(lines)) == (change == "replaced")
    # A function that was just at work goes on with the former document for a minute.
    assert ("after that minute" in lines[-1]) == (change == "replaced")


def test_a_removal_names_what_stays() -> None:
    outcome = {"corpus": "notes", "objects_deleted": 2, "stay": ["raw/notes/"]}
    lines = list(removed_lines(outcome, "bucket"))
    assert lines[1:] == [
        "2 objects of its index and vectors are deleted",
        "its data stays; delete it when it is no longer needed:",
        "  aws s3 rm --recursive s3://bucket/raw/notes/",
    ]
    assert len(list(removed_lines(outcome | {"stay": [], "objects_deleted": 0}, "bucket"))) == 1


def test_a_trial_shows_entities_rejects_and_warnings() -> None:
    entity = {
        "key": "page:1", "title": "A title", "text": "Some\ntext", "text_characters": 900,
        "modified": None, "urls": ["https://a.example/1"], "attribution": "By somebody",
        "metadata": {"colours": ["red", 7], "empty": []}, "edges": 0, "warnings": ["a bad date"],
    }  # fmt: skip
    answer = {
        "corpus": "notes", "pages_of_source": 3, "has_chained_pages": True,
        "records_of_source": 250, "pages_read": 1, "records": 2, "entities": [entity],
        "rejects": [
            {
                "line_number": 2, "reason": "no JSON", "field_path": None, "is_left_out": False,
                "raw": "{",
            },
            {
                "line_number": 3, "reason": "it is a film", "field_path": "html",
                "is_left_out": True, "raw": "{}",
            },
        ],
        "warnings": ["no entity has a text"],
    }  # fmt: skip
    assert list(trial_lines(answer)) == [
        "notes: 2 records of 1 page tried, nothing kept; a full run would plan 3 pages and more, "
        "each known from the one before; the source speaks of 250 records",
        "",
        "page:1  A title",
        "   Some text  (900 characters)",
        "   urls: https://a.example/1",
        "   attribution: By somebody",
        "   colours: red, 7",
        "   warning: a bad date",
        "",
        "rejected: no JSON",
        "   {",
        "",
        "left out: html: it is a film",
        "   {}",
        "",
        "warning: no entity has a text",
    ]


def test_what_a_function_raised_is_raised_here() -> None:
    def raised(error_type: str) -> Exception:
        payload = {"errorType": error_type, "errorMessage": "the words"}
        return raised_by_function(json.dumps(payload).encode())

    assert isinstance(raised("SourceUnavailableError"), SourceUnavailableError)
    postponed = raised("PostponedError")
    assert isinstance(postponed, UnavailableError)
    assert str(postponed) == "the words; ask again later"


@pytest.mark.parametrize(
    "arguments",
    [
        ["corpus"],
        ["corpus", "add"],
        ["corpus", "show"],
        ["corpus", "try"],
        ["corpus", "try", "notes", "--file", "x"],
        ["corpus", "try", "notes", "--limit", "none"],
        ["corpus", "remove"],
        ["stage"],
        ["stage", "pause"],
        ["stage", "pause", "lunch"],
        ["dlq"],
        ["dlq", "list", "--stage", "lunch"],
        ["dlq", "show", "fetch"],
        ["dlq", "redrive", "fetch"],
        ["dlq", "redrive", "fetch", "m-1", "--all"],
        ["dlq", "drop", "lunch", "m-1"],
        ["index", "mark-bad", "--corpus", "notes"],
        ["index", "shards"],
    ],
)
def test_wrong_use_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["corpus", "list"],
        ["corpus", "remove", "notes"],
        ["stage", "list"],
        ["dlq", "list"],
        ["dlq", "drop", "fetch", "--all", "--yes"],
    ],
)
def test_a_missing_deployment_says_how_to_give_it(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "--outputs FILE, --name-prefix or ULTRON_NAME_PREFIX" in capsys.readouterr().err
