"""`ultron index` as a person runs it, where it shows an index; functions and bucket are fakes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.cli.main import main
from shared.models.manifest import ModelIdentity
from shared.platform.observability import logger
from shared.storage.keys import manifest_key, manifest_version_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.cli.index_fakes import MODEL, FakeFunctions, commit

ROOT = Path(__file__).resolve().parents[3]
OTHER_MODEL = ModelIdentity(id="wide-model", revision="r9", dims=8)


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["index", "list", "--corpus", "marvel", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


# list


def test_versions_are_listed_newest_first(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(bucket, 3)
    document = listed(capsys)
    assert document["corpus"] == "marvel"
    [index] = document["indexes"]
    assert index["prefix"] == "indexes/marvel/model=tiny-model/dims=4/"
    assert index["model"] == {"id": "tiny-model", "revision": "r1", "dims": 4}
    assert [
        (v["version"], v["change"], v["shards"], v["vectors"], v["size_bytes"])
        for v in index["versions"]
    ] == [
        (3, "commit", 3, 30, 1_500_000),
        (2, "commit", 2, 20, 1_000_000),
        (1, "commit", 1, 10, 500_000),
    ]


def test_at_most_so_many_versions_are_listed(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(bucket, 4)
    [index] = listed(capsys, "--limit", "2")["indexes"]
    assert [version["version"] for version in index["versions"]] == [4, 3]


def test_the_table_shows_a_version_a_line(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(bucket, 1)
    commit(bucket, 2, OTHER_MODEL)
    assert main(["index", "list", "--corpus", "marvel"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "marvel under tiny-model revision r1, 4 dimensions"
    assert lines[1].split() == ["version", "committed", "at", "change", "shards", "vectors", "MB"]
    assert lines[2].split()[::2] == ["1", "commit", "10"]
    assert lines[2].endswith("0.5")
    assert lines[3:5] == ["", "marvel under wide-model revision r9, 8 dimensions"]
    assert len(lines) == 8
    assert {len(line) for line in lines[5:]} == {len(lines[5])}, "columns are aligned"


def test_a_corpus_without_an_index_is_not_found(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.put("indexes/marvel-2/model=m/dims=4/manifest.json", b"of another corpus")
    bucket.put("indexes/marvel/model=tiny-model/dims=4/shards/1.npz", b"never committed")
    assert main(["index", "list", "--corpus", "marvel"]) == 3
    assert capsys.readouterr().err == "error: marvel has no index; `ultron run start` makes one\n"


@pytest.mark.parametrize("corpus", ["", "Marvel", "../x", "a/b"])
def test_what_names_no_corpus_is_wrong_use(
    corpus: str, bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "list", "--corpus", corpus]) == 2
    assert "names no corpus" in capsys.readouterr().err


def test_a_damaged_manifest_is_told_and_its_older_versions_listed(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(bucket, 3)
    key = manifest_key("marvel", MODEL)
    bucket.put(key, b"{}")
    assert main(["index", "list", "--corpus", "marvel", "--json"]) == 0
    captured = capsys.readouterr()
    [index] = json.loads(captured.out)["indexes"]
    assert [version["version"] for version in index["versions"]] == [2, 1]
    [warning] = captured.err.splitlines()
    assert warning.startswith("warning: ")
    assert key in warning


def test_a_damaged_index_is_of_the_model_of_its_newest_version(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    former = MODEL.model_copy(update={"revision": "r0"})
    commit(bucket, 1, former)
    oldest = bucket.get(manifest_key("marvel", former)).data
    bucket.delete(manifest_key("marvel", former))
    commit(bucket, 3)
    bucket.put(manifest_version_key("marvel", MODEL, 1), oldest)
    bucket.put(manifest_key("marvel", MODEL), b"{}")
    [index] = listed(capsys)["indexes"]
    assert index["model"]["revision"] == "r1"
    assert [version["version"] for version in index["versions"]] == [2]


def test_an_index_of_which_nothing_can_be_read_is_an_error_that_names_it(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    key = manifest_key("marvel", MODEL)
    bucket.put(key, b"no manifest")
    assert main(["index", "list", "--corpus", "marvel"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert key in captured.err


def test_logging_is_as_it_was_after_a_command(bucket: MemoryObjectStore) -> None:
    before = [(h.formatter, h.level, getattr(h, "stream", None)) for h in logger.handlers]
    main(["index", "list", "--corpus", "marvel"])
    after = [(h.formatter, h.level, getattr(h, "stream", None)) for h in logger.handlers]
    assert after == before


# shards


def test_the_shards_of_the_newest_version_are_listed(
    bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(bucket, 2)
    assert main(["index", "shards", "--corpus", "marvel"]) == 0
    title, header, first, second = capsys.readouterr().out.splitlines()
    assert title == "marvel under tiny-model, version 2"
    assert header.split() == ["shard", "vectors", "entities", "MB", "made", "by"]
    assert first.split() == ["00000000", "10", "5", "0.5", "run/page/0"]
    assert second.split()[0] == "00000001"
    assert main(["index", "shards", "--corpus", "other"]) == 3


# recall


RECALL = {
    "corpus": "marvel",
    "samples": 20,
    "k": 5,
    "recall": 0.995,
    "recall_worst": 0.8,
    "version": 7,
    "milliseconds": {"live_p50": 1.2, "exact_p50": 9.5},
}


def test_recall_is_measured_by_retrieve(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = RECALL
    arguments = ["index", "recall", "--corpus", "marvel", "--samples", "20", "--k", "5"]
    assert main([*arguments, "--seed", "3"]) == 0
    request = {"corpus": "marvel", "samples": 20, "k": 5, "seed": 3}
    assert functions.asked == [("ultron-retrieve", {"recall": request})]
    assert capsys.readouterr().out.splitlines() == [
        "recall@5 of marvel, version 7: 0.9950 over 20 samples (worst 0.80)",
        "live p50 1.2 ms, exact p50 9.5 ms",
    ]


def test_recall_without_a_seed_leaves_that_to_retrieve(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = RECALL | {"recall": 1}
    assert main(["index", "recall", "--corpus", "marvel", "--samples", "20", "--json"]) == 0
    [(_, asked)] = functions.asked
    assert asked == {"recall": {"corpus": "marvel", "samples": 20, "k": 10}}
    assert json.loads(capsys.readouterr().out)["recall"] == 1


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        ({"code": "NOT_FOUND", "message": "no index yet", "status": 404}, 3),
        ({"code": "INVALID_INPUT", "message": "samples must be 1 to 500", "status": 400}, 2),
        ({"code": "INTERNAL", "message": "it failed", "status": 500}, 1),
        ({"code": "ODD", "message": "it failed", "status": "teapot"}, 1),
        ({}, 1),
    ],
)
def test_an_error_that_retrieve_answers_is_told(
    functions: FakeFunctions,
    capsys: pytest.CaptureFixture[str],
    problem: dict[str, Any],
    status: int,
) -> None:
    functions.answer = {"error": problem}
    assert main(["index", "recall", "--corpus", "marvel", "--samples", "20"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert problem.get("message", "no reason given") in captured.err


def test_a_recall_that_takes_too_long_says_what_to_do(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.function_error = "Unhandled"
    functions.answer = {"errorMessage": "2026-11-23T06:00:00Z 1 Task timed out after 15.00 seconds"}
    assert main(["index", "recall", "--corpus", "marvel", "--samples", "9999"]) == 1
    assert "ask for fewer samples" in capsys.readouterr().err


# The command stands on the core requirements alone.


def test_the_command_needs_neither_numpy_nor_hnswlib() -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'hnswlib', 'onnxruntime', 'tokenizers'):\n"
        "    sys.modules[name] = None\n"
        "import services.cli.main\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
