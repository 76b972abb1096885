"""`ultron corpus` on the local AWS: parameters, tags, rules and targets as they really are."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.corpus import administration as administration
from services.cli.corpus.schedules import Schedules
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusDocuments
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.entity import EntityVersion
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor
from shared.models.run import EndpointCheckpoint, RunRecord
from shared.platform import wiring
from shared.storage.keys import shard_key
from shared.storage.s3 import S3ObjectStore
from shared.table.table_clock import utc_now
from tests.integration.cli.site import Site
from tests.unit.index.manifest_builders import no_floor

MODEL = ModelIdentity(id="tiny", revision="1", dims=3)
NOTES: dict[str, Any] = {"name": "notes", "source": {"kind": "jsonl", "prefix": "sources/notes/"}}
RUN_ID = "20261123T060000Z-0000000a"


def a_shard() -> ShardDescriptor:
    shard_id = "0123abcd"
    file = FileReference(
        key=shard_key("notes", MODEL, shard_id, "npz"), size_bytes=1, sha256="0" * 64
    )
    return ShardDescriptor(
        shard_id=shard_id, origin="run/page/0", seq=1, model=MODEL, vectors=0, entities=1,
        catalog=file, graph=None, sidecar=None,
    )  # fmt: skip


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return written(tmp_path, NOTES)


def written(directory: Path, document: dict[str, Any], name: str = "corpus.json") -> Path:
    path = directory / name
    path.write_text(json.dumps(document))
    return path


def begin_run(site: Site, corpus: str = "notes", seq: int = 5) -> None:
    """A run that holds the corpus."""
    site.state.acquire_lease(corpus, RUN_ID, 3600)
    site.runs.planning.start_run(
        RunRecord(
            run_id=RUN_ID, corpus=corpus, mode="incremental", status="planning", seq=seq,
            started_at="2026-11-23T06:00:00+00:00",
        )
    )  # fmt: skip


def end_run(site: Site, corpus: str = "notes") -> None:
    checkpoints = {"objects": EndpointCheckpoint(last_modified="yesterday")}
    site.runs.planning.finish_planning(RUN_ID, checkpoints, lease_seconds=3600)
    assert site.state.lease(corpus) is None


def test_an_added_corpus_has_its_document_its_tag_and_its_rules(site: Site, notes: Path) -> None:
    printed = site.ultron("corpus", "add", str(notes))
    assert "corpus notes is added" in printed
    stored = CorpusDocuments(site.ssm, f"/{site.name_prefix}/corpora").find("notes")
    assert stored is not None
    assert json.loads(stored.document) == NOTES
    assert stored.managed_by == "ultron"
    rules = site.rules()
    assert set(rules) == {"ingest-notes", "upkeep-notes"}
    ingest, upkeep = rules["ingest-notes"], rules["upkeep-notes"]
    assert (ingest["expression"], ingest["state"]) == ("cron(0 6 * * ? *)", "ENABLED")
    assert ingest["target"]["Arn"].endswith(f"function:{site.name_prefix}-ingest")
    assert ingest["target"]["InputTransformer"] == {
        "InputPathsMap": {"request_id": "$.id", "time": "$.time"},
        "InputTemplate": '{"corpus": "notes", "mode": "incremental", '
        '"request_id": <request_id>, "time": <time>}',
    }
    assert upkeep["expression"] == "cron(0 3 ? * SUN *)"
    assert json.loads(upkeep["target"]["Input"]) == {"kind": "maintain", "corpus": "notes"}
    for rule in (ingest, upkeep):
        assert rule["target"]["DeadLetterConfig"]["Arn"].endswith("-ingest-dlq")
        assert rule["target"]["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 3600,
            "MaximumRetryAttempts": 5,
        }


def test_a_corpus_of_toml_has_its_own_schedule_and_name(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "corpus.toml"
    path.write_text(
        '[source]\nkind = "jsonl"\nprefix = "sources/x/"\n[schedule]\nfull = "rate(7 days)"\n'
    )
    site.ultron("corpus", "add", str(path), "--name", "weekly")
    rules = site.rules()
    assert set(rules) == {"full-weekly", "upkeep-weekly"}
    assert rules["full-weekly"]["expression"] == "rate(7 days)"
    assert '"mode": "full"' in rules["full-weekly"]["target"]["InputTransformer"]["InputTemplate"]


def test_where_the_schedule_is_off_nothing_fires(site: Site, tmp_path: Path, notes: Path) -> None:
    site.publish(default_incremental=None, maintenance=None)
    site.ultron("corpus", "add", str(notes))
    assert site.rules() == {}
    own = written(tmp_path, NOTES | {"name": "own", "schedule": {"full": "rate(1 day)"}})
    site.ultron("corpus", "add", str(own))
    assert site.rules()["full-own"]["state"] == "DISABLED"


def test_the_same_document_again_mends_what_was_cut_off(
    site: Site, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Schedules, "connect", _die)
        site.ultron("corpus", "add", str(notes), status=130)
    site.ultron("corpus", "add", str(notes))
    assert set(site.rules()) == {"ingest-notes", "upkeep-notes"}
    assert site.answer("corpus", "add", str(notes))["change"] == "unchanged"


def test_the_same_document_again_follows_a_changed_deployment(site: Site, notes: Path) -> None:
    site.ultron("corpus", "add", str(notes))
    site.publish(default_incremental="rate(1 day)", maintenance=None)
    assert site.answer("corpus", "add", str(notes))["change"] == "unchanged"
    [(name, rule)] = site.rules().items()
    assert (name, rule["expression"]) == ("ingest-notes", "rate(1 day)")


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_another_document_needs_to_be_meant(site: Site, tmp_path: Path, notes: Path) -> None:
    site.ultron("corpus", "add", str(notes))
    other = written(tmp_path, NOTES | {"schedule": {"full": "rate(2 days)"}}, "other.json")
    assert "--replace" in site.ultron("corpus", "add", str(other), status=4)
    assert set(site.rules()) == {"ingest-notes", "upkeep-notes"}
    outcome = site.answer("corpus", "add", str(other), "--replace")
    assert (outcome["change"], outcome["reads_again"]) == ("replaced", False)
    assert set(site.rules()) == {"full-notes", "upkeep-notes"}


def test_a_changed_source_is_read_from_its_beginning(
    site: Site, tmp_path: Path, notes: Path
) -> None:
    site.ultron("corpus", "add", str(notes))
    begin_run(site)
    end_run(site)
    assert site.state.checkpoint("notes", "objects", since_seq=0).last_modified == "yesterday"
    moved = written(
        tmp_path, NOTES | {"source": {"kind": "jsonl", "prefix": "sources/moved/"}}, "moved.json"
    )
    outcome = site.answer("corpus", "add", str(moved), "--replace")
    assert outcome["reads_again"] is True
    assert site.state.checkpoint("notes", "objects", since_seq=0).last_modified is None


def test_a_live_run_is_not_disturbed(site: Site, tmp_path: Path, notes: Path) -> None:
    site.ultron("corpus", "add", str(notes))
    begin_run(site)
    other = written(tmp_path, NOTES | {"schedule": {"full": "rate(2 days)"}}, "other.json")
    assert RUN_ID in site.ultron("corpus", "add", str(other), "--replace", status=4)
    assert RUN_ID in site.ultron("corpus", "remove", "notes", status=4)
    assert site.answer("corpus", "show", "notes")["document"] == NOTES
    assert "ingest-notes" in site.rules()
    end_run(site)
    site.ultron("corpus", "remove", "notes")


def test_a_machine_whose_clock_is_hours_fast_fails_no_live_run(
    site: Site, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.ultron("corpus", "add", str(notes))
    begin_run(site)
    other = written(tmp_path, NOTES | {"schedule": {"full": "rate(2 days)"}}, "other.json")
    monkeypatch.setattr(wiring, "utc_now", lambda: utc_now() + timedelta(hours=6))
    assert RUN_ID in site.ultron("corpus", "add", str(other), "--replace", status=4)
    assert RUN_ID in site.ultron("corpus", "remove", "notes", status=4)
    assert site.runs.reader.get_run(RUN_ID).run.status == "planning"


def test_what_terraform_manages_is_left_to_it(site: Site, notes: Path) -> None:
    site.ssm.put_parameter(
        Name=f"/{site.name_prefix}/corpora/notes",
        Value=json.dumps(NOTES),
        Type="String",
        Tags=[{"Key": "ManagedBy", "Value": "terraform"}],
    )
    for arguments in (("add", str(notes), "--replace"), ("remove", "notes")):
        assert "variable `corpora`" in site.ultron("corpus", *arguments, status=4)
    assert site.answer("corpus", "show", "notes")["managed_by"] == "terraform"
    assert site.rules() == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "huge"}, "none of the deployed ones: large, tiny"),
        ({"name": "n" * 60}, "too long"),
        (
            {"schedule": {"incremental": "rate(1 day)", "full": "cron(0 6 * * * *)"}},
            "cron(0 6 * * * *)",
        ),
        ({"source": {"kind": "jsonl"}}, "source.jsonl.prefix"),
        ({"mapping": {"metadata": {f"m{n}": "x" * 90 for n in range(50)}}}, "4096"),
    ],
)
def test_what_cannot_be_a_corpus_leaves_nothing_behind(
    site: Site, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = written(tmp_path, NOTES | change)
    assert words in site.ultron("corpus", "add", str(path), status=2)
    assert site.answer("corpus", "list") == {"corpora": []}
    assert site.rules() == {}


def test_a_wrong_schedule_leaves_the_former_one(site: Site, tmp_path: Path, notes: Path) -> None:
    site.ultron("corpus", "add", str(notes))
    before = site.rules()
    schedule = {"incremental": "rate(2 days)", "full": "cron(0 6 * * * *)"}
    path = written(tmp_path, NOTES | {"schedule": schedule}, "other.json")
    assert "cron(0 6 * * * *)" in site.ultron("corpus", "add", str(path), "--replace", status=2)
    assert site.rules() == before
    assert site.answer("corpus", "show", "notes")["document"] == NOTES


def test_a_list_tells_of_every_corpus_even_of_a_damaged_one(
    site: Site, tmp_path: Path, notes: Path
) -> None:
    assert "no corpora" in site.ultron("corpus", "list")
    site.ultron("corpus", "add", str(notes))
    begin_run(site)
    end_run(site)
    site.ssm.put_parameter(
        Name=f"/{site.name_prefix}/corpora/broken", Value='{"name": "Broken"}', Type="String"
    )
    for number in range(12):  # more than SSM gives at once
        site.ultron("corpus", "add", str(notes), "--name", f"notes-{number:02}")
    corpora = {corpus["name"]: corpus for corpus in site.answer("corpus", "list")["corpora"]}
    assert len(corpora) == 14
    assert "name" in corpora["broken"]["problem"]
    assert corpora["notes"]["kind"] == "jsonl"
    assert corpora["notes"]["schedule"] == {"incremental": "cron(0 6 * * ? *)"}
    assert corpora["notes"]["last_run"]["run_id"] == RUN_ID
    assert corpora["notes-00"]["last_run"] is None
    printed = site.ultron("corpus", "list")
    assert "warning: the corpus at" in printed
    assert "none yet" in printed


def test_a_corpus_is_shown_with_its_rules_and_its_document(site: Site, notes: Path) -> None:
    site.ultron("corpus", "add", str(notes))
    printed = site.ultron("corpus", "show", "notes")
    assert "corpus notes (jsonl), managed by ultron" in printed
    assert f"rule {site.name_prefix}-ingest-notes: cron(0 6 * * ? *), enabled" in printed
    assert '"prefix": "sources/notes/"' in printed
    assert "no corpus" in site.ultron("corpus", "show", "other", status=3)
    assert "names no corpus" in site.ultron("corpus", "show", "../x", status=2)


def test_removing_leaves_the_data_and_says_where_they_are(site: Site, notes: Path) -> None:
    site.ultron("corpus", "add", str(notes))
    site.store.put("raw/notes/2026/11/23/x.jsonl.gz", b"x")
    site.store.put("raw/_next/notes/2026/11/23/x.jsonl.gz", b"x")
    site.store.put("indexes/notes/model=tiny/dims=3/manifest.json", b"x")
    printed = site.ultron("corpus", "remove", "notes")
    assert f"aws s3 rm --recursive s3://{site.bucket_name}/raw/notes/" in printed
    assert f"aws s3 rm --recursive s3://{site.bucket_name}/raw/_next/notes/" in printed
    assert "--delete-index" in printed
    assert site.store.exists("indexes/notes/model=tiny/dims=3/manifest.json")
    assert site.rules() == {}
    assert "no corpus named" in site.ultron("corpus", "remove", "notes", status=3)
    assert site.answer("corpus", "remove", "notes", "--delete-index")["objects_deleted"] == 1


def test_without_its_index_a_later_corpus_of_the_name_starts_anew(site: Site, notes: Path) -> None:
    versions = EntityVersions(site.dynamodb, site.table_name)
    site.ultron("corpus", "add", str(notes))
    manifests = ManifestStore(site.store, "notes", MODEL)
    manifests.commit([a_shard()], floor=no_floor)
    begin_run(site, seq=7)
    versions.begin("notes", MODEL, {"a:1": EntityVersion(7, f"{RUN_ID}/p/0", "sum")})
    end_run(site)
    for key in ("embeddings/notes/x", "indexes/notes-2/x"):
        site.store.put(key, b"x")
    assert set(versions.read("notes", MODEL, ["a:1"])) == {"a:1"}
    outcome = site.answer("corpus", "remove", "notes", "--delete-index")
    assert outcome["objects_deleted"] == 2
    assert outcome["stay"] == []
    assert site.store.exists("indexes/notes-2/x")
    assert versions.read("notes", MODEL, ["a:1"]) == {}
    assert site.state.checkpoint("notes", "objects", since_seq=0) == EndpointCheckpoint()
    assert site.state.lease("notes") is None
    # What is redriven of that run stays out.
    assert IndexFloor(site.dynamodb, site.table_name).read("notes") == 8
    newer = {"a:1": EntityVersion(8, "later/p/0", "sum")}
    assert versions.begin("notes", MODEL, newer) == set()
    assert versions.read("notes", MODEL, ["a:1"]) == newer


def test_the_corpus_is_held_for_as_long_as_deleting_takes(
    site: Site, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.ultron("corpus", "add", str(notes))
    for number in range(3):
        site.store.put(f"embeddings/notes/{number}", b"x")
    delete = S3ObjectStore.delete
    held_until: list[float] = []

    def slow_delete(store: S3ObjectStore, key: str) -> None:
        lease = site.state.lease("notes")
        assert lease is not None
        held_until.append(lease.expires_at)
        delete(store, key)
        # Instead of waiting: what is taken from now on ends a thousand seconds later.
        monkeypatch.setattr(administration, "_LEASE_SECONDS", 900 + 1000 * len(held_until))

    monkeypatch.setattr(S3ObjectStore, "delete", slow_delete)
    monkeypatch.setattr(administration, "_DELETED_PER_RENEWAL", 1)
    site.ultron("corpus", "remove", "notes", "--delete-index")
    first, second, third = held_until
    assert first + 900 < second < third - 900
    assert site.state.lease("notes") is None


@pytest.mark.parametrize(
    ("part", "method", "objects"),
    [
        (CorpusDocuments, "delete", 0),
        (S3ObjectStore, "delete", 1),
        (CorpusState, "forget_progress", 0),
    ],
)
def test_a_removal_that_was_cut_off_is_done_again(
    site: Site,
    notes: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: type,
    method: str,
    objects: int,
) -> None:
    site.ultron("corpus", "add", str(notes))
    begin_run(site)
    end_run(site)
    for number in range(objects):
        site.store.put(f"embeddings/notes/{number}", b"x")
    with monkeypatch.context() as patched:
        patched.setattr(part, method, _die)
        site.ultron("corpus", "remove", "notes", "--delete-index", status=130)
    assert site.state.lease("notes") is None
    site.ultron("corpus", "remove", "notes", "--delete-index")
    assert site.answer("corpus", "list") == {"corpora": []}
    assert site.state.checkpoint("notes", "objects", since_seq=0) == EndpointCheckpoint()
    assert list(site.store.list("embeddings/notes/")) == []


def test_an_unknown_deployment_is_named(site: Site) -> None:
    error = site.ultron("corpus", "list", "--name-prefix", "nowhere", status=3)
    assert "/nowhere/deployment" in error


def test_a_deployment_of_another_release_says_what_it_lacks(site: Site) -> None:
    site.ssm.put_parameter(
        Name=f"/{site.name_prefix}/deployment", Value="{}", Type="String", Overwrite=True
    )
    assert "schedule" in site.ultron("corpus", "list", status=2)
