"""The index through its life: nothing twice, updates, deletes, compaction, restore, rebuild.

These tests follow one another: each begins where the one before ended.
"""

import json

import pytest

from shared.models.run import RunProgress
from tests.e2e.shelf import CORPUS, Shelf
from tests.e2e.stack import Stack, wait_for

CHANGED = "b03"
VANISHED = "b05"
NEW_TEXT = "Now it is about porcupines, of all things, and about nothing else."


@pytest.fixture(scope="session")
def shelf(stack: Stack) -> Shelf:
    return Shelf(stack)


@pytest.fixture(scope="session")
def first_run(shelf: Shelf, marvel_run: RunProgress) -> RunProgress:
    return shelf.ingest()


def commits(shelf: Shelf) -> int:
    return sum(version["change"] in {"commit", "sweep"} for version in shelf.versions())


def test_every_book_is_found_by_its_subject(shelf: Shelf, first_run: RunProgress) -> None:
    assert first_run.vectors == first_run.chunks == len(shelf.books)
    for record in shelf.books.values():
        assert shelf.found_ids(record["text"], k="1") == [record["id"]]


def test_small_shards_are_merged_and_answers_stay(shelf: Shelf, first_run: RunProgress) -> None:
    shelf.maintained()
    newest = shelf.versions()[0]
    assert newest["shards"] < first_run.shards
    assert newest["vectors"] == len(shelf.books)
    assert any(version["change"] == "compact" for version in shelf.versions())
    for record in shelf.books.values():
        assert shelf.found_ids(record["text"], k="1") == [record["id"]]


def test_a_second_full_run_embeds_nothing_and_commits_nothing(
    shelf: Shelf, first_run: RunProgress
) -> None:
    before = commits(shelf)
    run = shelf.ingest()
    assert (run.vectors, run.shards, run.entities_deleted) == (0, 0, 0)
    assert run.chunks_unchanged == run.chunks == len(shelf.books)
    assert commits(shelf) == before


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"filter.colour": "red"}, lambda b: b["colour"] == "red"),
        ({"filter.colour": "red,blue"}, lambda b: b["colour"] in {"red", "blue"}),
        ({"filter.tags": "odd", "filter.colour": "green"}, lambda b: b["colour"] == "green"),
        (
            {"filter.pages.min": "150", "filter.pages.max": "200"},
            lambda b: 150 <= b["pages"] <= 200,
        ),
        ({"filter.pages": "150"}, lambda b: b["pages"] == 150),
        ({"filter.colour": "purple"}, lambda b: b["colour"] == "purple"),
    ],
)
@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_any_metadata_field_narrows_a_search(
    shelf: Shelf, first_run: RunProgress, filters: dict[str, str], kept: object, mode: str
) -> None:
    assert callable(kept)
    expected = {i for i, record in shelf.books.items() if kept(record)}
    q = "everything a patient reader may want to know"
    assert set(shelf.found_ids(q, k="50", mode=mode, **filters)) == expected


def test_a_field_that_nothing_has_is_refused_by_name(shelf: Shelf, first_run: RunProgress) -> None:
    answer = shelf.stack.retrieve("book", corpus=CORPUS, **{"filter.flavour": "sweet"})
    assert answer.status == 400
    assert "flavour" in answer.body["error"]["message"]
    assert "colour" in answer.body["error"]["message"]


def test_a_full_run_updates_what_changed_and_deletes_what_vanished(
    shelf: Shelf, first_run: RunProgress
) -> None:
    shelf.maintained()
    old_text = shelf.books[CHANGED]["text"]
    shelf.books[CHANGED]["text"] = NEW_TEXT
    gone = shelf.books.pop(VANISHED)
    run = shelf.ingest()
    assert (run.vectors, run.entities_deleted) == (1, 1)
    shelf.wait_until_served(CHANGED, NEW_TEXT)
    shelf.wait_until_served(VANISHED, None)
    assert VANISHED not in shelf.found_ids(gone["text"], k="50")
    assert old_text not in [r["snippet"] for r in shelf.search(old_text, k="50")]


def test_an_entity_that_comes_back_is_indexed_again(shelf: Shelf, first_run: RunProgress) -> None:
    shelf.books["b09"], kept = shelf.books["b09"] | {"text": NEW_TEXT}, shelf.books["b09"]
    gone = shelf.books.pop("b10")
    assert shelf.ingest().entities_deleted == 1
    shelf.books |= {"b09": kept, "b10": gone}
    run = shelf.ingest()
    assert (run.vectors, run.entities_deleted) == (2, 0)
    shelf.wait_until_served("b09", kept["text"])
    shelf.wait_until_served("b10", gone["text"])


def test_a_run_that_would_delete_most_of_a_corpus_deletes_nothing(
    shelf: Shelf, first_run: RunProgress
) -> None:
    kept = dict(shelf.books)
    for book_id in list(kept)[: len(kept) * 3 // 4]:
        del shelf.books[book_id]
    shelf.write()
    run = shelf.stack.ingest(CORPUS, "full")
    assert run.run.status == "incomplete"
    assert "maximum_vanished_share" in (run.run.reason or "")
    shelf.books |= kept
    assert shelf.ingest().vectors == 0
    for record in shelf.books.values():
        assert shelf.found_ids(record["text"], k="1") == [record["id"]]


def test_an_older_version_is_restored_and_the_next_run_catches_up(
    shelf: Shelf, first_run: RunProgress
) -> None:
    shelf.maintained()
    present = shelf.versions()
    before_changes = max(
        v["version"] for v in present if v["vectors"] == len(shelf.books) + 1 and v["shards"] > 0
        and v["version"] < min(w["version"] for w in present if w["change"] == "sweep")
    )  # fmt: skip
    shelf.stack.command("index", "restore", "--corpus", CORPUS, "--version", str(before_changes))
    newest = shelf.versions()[0]
    assert newest["change"] == f"restore:{before_changes}"
    assert newest["version"] > present[0]["version"]
    old_text = f"Everything that a patient reader may want to know about the {'volcano'}."
    shelf.wait_until_served(CHANGED, old_text)
    assert VANISHED in shelf.found_ids("submarine", k="5")
    # What the incremental run reads again is embedded only where it differs.
    run = shelf.ingest("incremental")
    assert run.vectors == 1
    shelf.wait_until_served(CHANGED, NEW_TEXT)
    assert shelf.ingest().entities_deleted == 1
    shelf.wait_until_served(VANISHED, None)


def test_the_whole_index_is_rebuilt_from_its_vectors(shelf: Shelf, first_run: RunProgress) -> None:
    shelf.maintained()
    questions = [record["text"] for record in shelf.books.values()]
    before = [[r["id"] for r in shelf.search(q, k="3", mode="dense")] for q in questions]
    shelf.stack.command("index", "rebuild", "--corpus", CORPUS, "--wait")
    newest = shelf.versions()[0]["version"]
    wait_for(lambda: True if shelf.version() >= newest else None, "the rebuilt index", 60)
    after = [[r["id"] for r in shelf.search(q, k="3", mode="dense")] for q in questions]
    assert after == before
    shelf.wait_until_served(VANISHED, None)


def test_recall_can_be_asked_for(shelf: Shelf, first_run: RunProgress) -> None:
    printed = shelf.stack.command(
        "index", "recall", "--corpus", CORPUS, "--samples", "20", "--k", "5", "--json"
    )
    measured = json.loads(printed)
    assert measured["samples"] == 20
    assert measured["recall"] >= 0.99


def test_bad_requests_of_the_index_commands_are_told_in_one_sentence(shelf: Shelf) -> None:
    shelf.stack.command("index", "restore", "--corpus", CORPUS, "--version", "999999", status=3)
    shelf.stack.command("index", "list", "--corpus", "no-such-corpus", status=3)
    shelf.stack.command("index", "rebuild", "--corpus", "notes-empty", status=3)
