"""`ultron index` as a person runs it, where it changes an index; functions and bucket are fakes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.cli.errors import UnavailableError
from services.cli.index.upkeep import newest_versions, wait_for_rebuild
from services.cli.main import main
from shared.storage.keys import manifest_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.cli.index_fakes import MODEL, FakeFunctions, a_shard, commit, manifests_of
from tests.unit.index.manifest_builders import no_floor

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
        manifests_of(bucket).commit([a_shard(7)], "rebuild:0123abcd", floor=no_floor)
        manifests_of(bucket).commit([a_shard(8)], "compact", floor=no_floor)

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
    manifests_of(bucket).commit([a_shard(number)], f"rebuild:{rebuild_id}", floor=no_floor)


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
        match=r"not ended within 10 s.*index list.*ultron dlq list --stage compactor",
    ):
        wait_for_rebuild(
            bucket, "marvel", "0123abcd", {}, 10, lambda: next(seconds), lambda _: None
        )


# mark-bad


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
    functions.answer = {"errorType": "NotFoundError", "errorMessage": "version 7 has no such shard"}
    arguments = ["index", "mark-bad", "--corpus", "marvel", "--shard", "0" * 16]
    assert main(arguments) == 3
    assert capsys.readouterr().err == "error: version 7 has no such shard\n"
