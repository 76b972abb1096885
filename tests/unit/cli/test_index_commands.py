"""`ultron index` as a person runs it; the functions and the bucket are fakes."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.cli.errors import UnavailableError
from services.cli.indexes import newest_versions, wait_for_rebuild
from services.cli.main import main
from services.cli.target import Target
from shared import aws
from shared.index.manifest_store import ManifestStore
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor
from shared.observability import logger
from shared.storage.keys import manifest_key, manifest_version_key, shard_key
from shared.storage.memory import MemoryObjectStore

ROOT = Path(__file__).resolve().parents[3]
MODEL = ModelIdentity(id="tiny-model", revision="r1", dims=4)
OTHER_MODEL = ModelIdentity(id="wide-model", revision="r9", dims=8)


def a_shard(number: int, model: ModelIdentity = MODEL) -> ShardDescriptor:
    shard_id = f"{number:08d}"
    return ShardDescriptor(
        shard_id=shard_id,
        origin=f"run/page/{number}",
        seq=1,
        model=model,
        vectors=10,
        entities=5,
        catalog=FileReference(
            key=shard_key("marvel", model, shard_id, "npz"), size_bytes=500_000, sha256="0" * 64
        ),
        graph=None,
        sidecar=None,
    )


class FakeFunctions:
    """Stands for the Lambda client: answers `answer`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: object = {}
        self.function_error: str | None = None
        self.asked: list[tuple[str, Any]] = []
        self.then: Callable[[], None] = lambda: None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        self.asked.append((FunctionName, json.loads(Payload)))
        self.then()
        answer: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(self.answer).encode())}
        return answer | ({"FunctionError": self.function_error} if self.function_error else {})


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> FakeFunctions:
    fake = FakeFunctions()
    monkeypatch.setattr(aws, "lambda_client", lambda _timeout: fake)
    monkeypatch.setenv("ULTRON_COMPACTOR_FUNCTION", "ultron-compactor")
    monkeypatch.setenv("ULTRON_RETRIEVE_FUNCTION", "ultron-retrieve")
    return fake


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryObjectStore:
    store = MemoryObjectStore()
    monkeypatch.setattr(Target, "objects", lambda _target: store)
    return store


def manifests_of(bucket: MemoryObjectStore, model: ModelIdentity = MODEL) -> ManifestStore:
    return ManifestStore(bucket, "marvel", model)


def commit(bucket: MemoryObjectStore, versions: int, model: ModelIdentity = MODEL) -> None:
    for number in range(versions):
        manifests_of(bucket, model).commit([a_shard(number, model)])


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


# restore


def test_restore_asks_the_compactor(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = {"corpus": "marvel", "version": 9}
    assert main(["index", "restore", "--corpus", "marvel", "--version", "4"]) == 0
    assert functions.asked == [
        ("ultron-compactor", {"restore": {"corpus": "marvel", "version": 4}})
    ]
    assert capsys.readouterr().out == "version 4 of marvel is restored, as version 9\n"


def test_restore_can_answer_as_json(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = {"corpus": "marvel", "version": 9}
    assert main(["index", "restore", "--corpus", "marvel", "--version", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == functions.answer


@pytest.mark.parametrize("command", [["restore", "--version", "4"], ["rebuild"]])
@pytest.mark.parametrize(
    ("error_type", "status"),
    [("LeaseHeldError", 4), ("NotFoundError", 3), ("CorruptObjectError", 1), ("KeyError", 1)],
)
def test_what_the_compactor_raises_is_told_with_its_own_status(
    functions: FakeFunctions,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    error_type: str,
    status: int,
) -> None:
    functions.function_error = "Unhandled"
    functions.answer = {"errorType": error_type, "errorMessage": "run r-1 holds marvel"}
    assert main(["index", *command, "--corpus", "marvel"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("error: ")
    assert "run r-1 holds marvel" in line


@pytest.mark.parametrize(
    ("arguments", "answer", "words"),
    [
        (["restore", "--version", "4"], {}, "without a usable version"),
        (["restore", "--version", "4"], {"version": "9"}, "without a usable version"),
        (["restore", "--version", "4"], {"version": True}, "without a usable version"),
        (["restore", "--version", "4"], [], "no JSON object"),
        (["rebuild"], {"steps": 1}, "without a usable rebuild_id"),
        (["rebuild"], {"rebuild_id": "ab"}, "without a usable steps"),
        (["recall", "--samples", "2"], {"recall": True}, "without a usable"),
        (["recall", "--samples", "2"], None, "no JSON object"),
    ],
)
def test_another_function_is_found_out(
    functions: FakeFunctions,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    answer: object,
    words: str,
) -> None:
    functions.answer = answer
    assert main(["index", *arguments, "--corpus", "marvel"]) == 1
    assert words in capsys.readouterr().err


# rebuild


def test_rebuild_says_what_has_begun(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = {"rebuild_id": "0123abcd", "steps": 3}
    assert main(["index", "rebuild", "--corpus", "marvel"]) == 0
    assert functions.asked == [("ultron-compactor", {"rebuild": {"corpus": "marvel"}})]
    assert capsys.readouterr().out == "rebuild 0123abcd of marvel has begun: 3 steps\n"


def test_rebuild_waits_for_its_version(
    functions: FakeFunctions, bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(bucket, 2)

    def steps() -> None:
        manifests_of(bucket).commit([a_shard(7)], "rebuild:0123abcd")
        manifests_of(bucket).commit([a_shard(8)], "compact")

    functions.answer = {"rebuild_id": "0123abcd", "steps": 3}
    functions.then = steps
    assert main(["index", "rebuild", "--corpus", "marvel", "--wait"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "rebuild 0123abcd of marvel has begun: 3 steps",
        "it is live as version 3",
    ]


def test_a_waiting_rebuild_answers_once_as_json(
    functions: FakeFunctions, bucket: MemoryObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.answer = {"rebuild_id": "0123abcd", "steps": 1}
    functions.then = lambda: commit_rebuild(bucket, "0123abcd")
    assert main(["index", "rebuild", "--corpus", "marvel", "--wait", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == functions.answer | {"version": 1}


def commit_rebuild(bucket: MemoryObjectStore, rebuild_id: str, number: int = 7) -> None:
    manifests_of(bucket).commit([a_shard(number)], f"rebuild:{rebuild_id}")


def waited(
    bucket: MemoryObjectStore, before: dict[str, int], pauses: Iterator[Callable[[], None]]
) -> int:
    manifest = wait_for_rebuild(
        bucket, "marvel", "0123abcd", before, 60, lambda: 0.0, lambda _: next(pauses)()
    )
    return manifest.version


def test_waiting_goes_on_while_other_versions_come(bucket: MemoryObjectStore) -> None:
    commit(bucket, 1)
    before = newest_versions(bucket, "marvel")
    steps: list[Callable[[], None]] = [
        lambda: None,
        lambda: commit_rebuild(bucket, "ffffffff", 3),
        lambda: commit_rebuild(bucket, "0123abcd", 4),
    ]
    pauses = iter(steps)
    assert waited(bucket, before, pauses) == 3
    assert list(pauses) == []


def test_waiting_bears_an_index_that_is_damaged(bucket: MemoryObjectStore) -> None:
    key = manifest_key("marvel", MODEL)
    bucket.put(key, b"damaged")
    before = newest_versions(bucket, "marvel")
    assert before == {}

    def mend() -> None:
        bucket.delete(key)
        commit_rebuild(bucket, "0123abcd")

    assert waited(bucket, before, iter([lambda: None, mend])) == 1


def test_a_version_from_before_is_not_read_again(bucket: MemoryObjectStore) -> None:
    commit_rebuild(bucket, "0123abcd", 1)
    commit_rebuild(bucket, "eeeeeeee", 2)
    before = newest_versions(bucket, "marvel")
    assert before == {"indexes/marvel/model=tiny-model/dims=4/": 2}
    with pytest.raises(StopIteration):
        waited(bucket, before, iter([lambda: None]))


def test_a_rebuild_that_does_not_end_is_left_after_the_timeout(bucket: MemoryObjectStore) -> None:
    seconds = iter([0.0, 5.0, 10.0])
    with pytest.raises(
        UnavailableError,
        match=r"not ended within 10 s.*index list.*ultron dlq list --stage compact",
    ):
        wait_for_rebuild(
            bucket, "marvel", "0123abcd", {}, 10, lambda: next(seconds), lambda _: None
        )


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


# shards and mark-bad


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


@pytest.mark.parametrize(
    ("options", "rebuild", "words"),
    [
        ([], {"rebuild_id": "0123abcd", "steps": 4}, "rebuild 0123abcd has begun, in 4 steps"),
        (["--no-rebuild"], None, "`ultron run start --corpus marvel --mode full`"),
    ],
)
def test_a_shard_is_marked_bad(
    functions: FakeFunctions,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    rebuild: dict[str, Any] | None,
    words: str,
) -> None:
    functions.answer = {
        "corpus": "marvel", "version": 7, "shards": 3, "vectors": 120, "entities": 12,
        "rebuild": rebuild,
    }  # fmt: skip
    arguments = ["index", "mark-bad", "--corpus", "marvel", "--shard", "0123abcd"]
    assert main([*arguments, *options]) == 0
    printed = capsys.readouterr().out
    assert "version 7 of marvel has no such shard any more: 120 vectors in 3 shards" in printed
    assert "its 12 entities are not found for now" in printed
    assert words in printed
    expected = {"corpus": "marvel", "shard": "0123abcd", "rebuild": rebuild is not None}
    assert functions.asked == [("ultron-compactor", {"mark_bad": expected})]


def test_an_unknown_shard_is_not_found(
    functions: FakeFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.function_error = "Unhandled"
    functions.answer = {"errorType": "NotFoundError", "errorMessage": "version 7 has no shard x"}
    arguments = ["index", "mark-bad", "--corpus", "marvel", "--shard", "x"]
    assert main(arguments) == 3
    assert capsys.readouterr().err == "error: version 7 has no shard x\n"
