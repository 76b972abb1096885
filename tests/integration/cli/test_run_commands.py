"""`ultron run` against a real table, and the actions as the ingest function does them."""

import io
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.cli.errors import EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_RUN_NOT_SUCCEEDED, EXIT_WRONG_USE
from services.cli.run import commands as commands_runs
from services.ingest.request import parse_request, parse_run_request
from shared.errors import UltronError
from shared.models.jobs import PageJob
from tests.integration.cli.site import Site
from tests.integration.line.run_of_pages import Line

UNKNOWN = "20261123T060000Z-ffffffff"


class IngestFunction:
    """Answers invocations as Lambda does, with the function's own planner and steering."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        try:
            answer = self._do(json.loads(Payload))
        except UltronError as error:
            document = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return _answer(document) | {"FunctionError": "Unhandled"}
        return _answer(answer)

    def _do(self, event: dict[str, Any]) -> dict[str, Any]:
        if "action" in event:
            return self._line.steering.do(parse_run_request(event)).model_dump()
        return self._line.planner.plan(parse_request(event, "invocation")).model_dump()


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    return {"Payload": io.BytesIO(json.dumps(document).encode())}


@pytest.fixture
def line(site: Site, monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line(site.dynamodb, site.table_name)
    line.source.planned = ["a", "b", "c"]
    function = IngestFunction(line)
    monkeypatch.setattr(commands_runs, "aws", SimpleNamespace(lambda_client=lambda _: function))
    return line


def broken_run(line: Line) -> str:
    line.source.broken = {"b"}
    run_id = line.start().run_id
    line.work()
    line.source.broken = set()
    return run_id


@pytest.mark.parametrize("command", [("ingest",), ("run", "start")])
def test_a_run_is_started_under_both_names(
    site: Site, line: Line, command: tuple[str, ...]
) -> None:
    printed = site.ultron(*command, "--corpus", line.corpus, "--mode", "full")
    (progress,) = line.runs.reader.list_runs(line.corpus)
    assert printed == f"run {progress.run.run_id} of {line.corpus} (full) is planned\n"
    assert progress.run.mode == "full"
    complaint = site.ultron(*command, "--corpus", line.corpus, status=EXIT_REFUSED)
    assert progress.run.run_id in complaint


def test_runs_are_listed(site: Site, line: Line) -> None:
    site.publish()
    name = f"/{site.name_prefix}/corpora/{line.corpus}"
    site.ssm.put_parameter(Name=name, Value="{}", Type="String")
    assert site.ultron("run", "list", "--corpus", line.corpus) == "no runs yet\n"
    run_id = broken_run(line)
    printed = site.ultron("run", "list", "--corpus", line.corpus)
    assert printed.startswith(f"{run_id}  incremental  incomplete · pages 3/3 (1 gaps)")
    (listed,) = site.answer("run", "list", "--corpus", line.corpus)["runs"]
    assert (listed["run"]["run_id"], listed["pages_gap"]) == (run_id, 1)


def test_runs_of_an_unknown_corpus_are_not_found(site: Site) -> None:
    site.publish()
    complaint = site.ultron("run", "list", "--corpus", "unknown", status=EXIT_NOT_FOUND)
    assert "there is no corpus unknown" in complaint


def test_a_missing_table_or_bucket_is_not_found(site: Site, line: Line) -> None:
    arguments = ("run", "list", "--corpus", line.corpus, "--checkpoint-table", "no-such-table")
    assert "AWS has no such table" in site.ultron(*arguments, status=EXIT_NOT_FOUND)
    arguments = ("index", "list", "--corpus", line.corpus, "--bucket-name", "no-such-bucket")
    assert "AWS has no such bucket" in site.ultron(*arguments, status=EXIT_NOT_FOUND)


def test_a_run_is_shown_with_its_gaps_and_their_reasons(site: Site, line: Line) -> None:
    run_id = broken_run(line)
    printed = site.ultron("run", "show", run_id)
    assert "gap b: SOURCE_UNAVAILABLE: b answered 503" in printed
    (problem,) = site.answer("run", "show", run_id)["problem_pages"]
    assert (problem["page_id"], problem["outcome"]) == ("b", "gap")
    assert "b  list  page=b" in site.ultron("run", "gaps", run_id)
    (gap,) = site.answer("run", "gaps", run_id)["gaps"]
    assert gap == problem


def test_gaps_are_retried_and_watched(
    site: Site, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = broken_run(line)
    printed = site.ultron("run", "retry-gaps", run_id)
    assert printed == f"retry-gaps: run {run_id} is running\n"
    line.work()
    watched = site.ultron("run", "watch", run_id)
    assert watched.startswith("succeeded · pages 3/3")
    assert watched.endswith(f"run {run_id} succeeded\n")


def test_watching_a_run_that_did_not_succeed_says_so(site: Site, line: Line) -> None:
    run_id = broken_run(line)
    site.ultron("run", "watch", run_id, status=EXIT_RUN_NOT_SUCCEEDED)


def test_a_run_is_cancelled(site: Site, line: Line) -> None:
    run_id = line.start().run_id
    printed = site.ultron("run", "cancel", run_id)
    assert printed == (
        f"cancel: run {run_id} is cancelled (cancelled; 3 pages were not finished)\n"
    )
    assert line.assert_exact(run_id).pages_cancelled == 3


def test_a_run_is_resumed(site: Site, line: Line) -> None:
    run_id = line.start().run_id
    lost = cast(list[PageJob], line.pages.take())
    assert site.ultron("run", "resume", run_id) == f"resume: run {run_id} is running\n"
    assert line.pages.jobs == lost


def test_what_cannot_be_done_is_refused_with_a_hint(site: Site, line: Line) -> None:
    run_id = broken_run(line)
    complaint = site.ultron("run", "resume", run_id, status=EXIT_REFUSED)
    assert f"`ultron run retry-gaps {run_id}`" in complaint
    site.ultron("run", "cancel", run_id, status=EXIT_REFUSED)


@pytest.mark.parametrize("command", ["show", "gaps", "watch", "cancel", "resume", "retry-gaps"])
def test_an_unknown_run_is_not_found(site: Site, line: Line, command: str) -> None:
    complaint = site.ultron("run", command, UNKNOWN, status=EXIT_NOT_FOUND)
    assert f"there is no run {UNKNOWN}" in complaint


def test_a_malformed_run_id_is_wrong_use(site: Site, line: Line) -> None:
    complaint = site.ultron("run", "cancel", "yesterday", status=EXIT_WRONG_USE)
    assert "'yesterday': must be the id of a run" in complaint
