"""A version that was brought back, and the run after it: only what differs is embedded again."""

from dataclasses import replace

import pytest

from shared.errors import CorruptObjectError, LeaseHeldError, NotFoundError
from shared.models.run import EndpointCheckpoint
from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums
from tests.unit.embedder.remembered import MODEL
from tests.unit.index.failing_store import HookedStore, once

FIRST = {"a:1": "one", "a:2": "two", "a:3": "three", "a:4": ""}
SECOND = {"a:1": "uno", "a:2": "two", "a:4": "", "a:5": "five"}  # a:3 is gone


@pytest.fixture
def two_runs(shelf: Shelf) -> Shelf:
    """An index whose version 1 holds FIRST and whose present one holds SECOND."""
    shelf.run(1, [FIRST])
    assert shelf.manifest().version == 1
    shelf.run(2, [SECOND])
    assert shelf.live() == checksums(SECOND)
    return shelf


def test_a_restored_version_is_what_is_found_and_remembered(two_runs: Shelf) -> None:
    before = two_runs.manifest().version
    manifest = two_runs.restorer.restore(CORPUS, 1)
    assert (manifest.version, manifest.change) == (before + 1, "restore:1")
    assert two_runs.live() == checksums(FIRST)
    found = two_runs.versions.read(CORPUS, MODEL, FIRST | SECOND)
    assert {key: version.seq for key, version in found.items()} == dict.fromkeys(FIRST, 1)
    assert two_runs.state.checkpoint(CORPUS, "objects", since_seq=0) == EndpointCheckpoint()
    assert two_runs.state.page_etag(CORPUS, "p-0", since_seq=0) is None
    assert two_runs.state.lease(CORPUS) is None


@pytest.mark.parametrize(
    ("seen", "vectors"), [(FIRST, 0), (SECOND, 2), (FIRST | {"a:3": "drei"}, 1)]
)
def test_the_next_run_embeds_what_differs_and_nothing_else(
    two_runs: Shelf, seen: dict[str, str], vectors: int
) -> None:
    two_runs.restorer.restore(CORPUS, 1)
    assert two_runs.run(3, [seen]).vectors == vectors
    assert two_runs.live() == checksums(seen)


def test_a_restore_may_itself_be_undone(two_runs: Shelf) -> None:
    present = two_runs.manifest().version
    two_runs.restorer.restore(CORPUS, 1)
    two_runs.restorer.restore(CORPUS, present)
    assert two_runs.live() == checksums(SECOND)
    assert two_runs.run(3, [SECOND]).vectors == 0


@pytest.mark.parametrize("is_after", [False, True])
def test_a_restore_that_dies_leaves_nothing_that_passes_for_indexed(
    two_runs: Shelf, is_after: bool
) -> None:
    def restore() -> None:
        two_runs.restorer.restore(CORPUS, 1)

    assert two_runs.until_it_lives(restore, is_after=is_after) > 0
    assert two_runs.live() == checksums(FIRST)
    two_runs.run(3, [SECOND])
    assert two_runs.live() == checksums(SECOND)


def test_a_restore_cut_off_before_its_commit_costs_only_embedding(
    two_runs: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.index.manifest.manifest_store.ManifestStore.restore", _die)
    with pytest.raises(KeyboardInterrupt):
        two_runs.restorer.restore(CORPUS, 1)
    # What the cut-off restore would have shown is what the source has again: it must be indexed.
    two_runs.run(3, [FIRST])
    assert two_runs.live() == checksums(FIRST)


def test_a_restore_cut_off_just_after_its_commit_leaves_nothing_that_passes_for_indexed(
    two_runs: Shelf,
) -> None:
    store = HookedStore(two_runs.store, after=once("put", "/manifest.json", _die))
    with pytest.raises(KeyboardInterrupt):
        replace(two_runs.restorer, store=store).restore(CORPUS, 1)
    assert two_runs.live() == checksums(FIRST)
    assert two_runs.state.page_etag(CORPUS, "p-0", since_seq=0) is None
    # Done again, it finds the index as it is to be, so that nothing seems to be changed by it.
    two_runs.restorer.restore(CORPUS, 1)
    two_runs.run(3, [SECOND])
    assert two_runs.live() == checksums(SECOND)


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_live_run_is_not_disturbed(two_runs: Shelf) -> None:
    (page,) = two_runs.plan(3, 1)
    with pytest.raises(LeaseHeldError, match=page.run_id):
        two_runs.restorer.restore(CORPUS, 1)
    assert two_runs.live() == checksums(SECOND)
    held = two_runs.state.lease(CORPUS)
    assert held is not None
    assert held.run_id == page.run_id


def test_an_abandoned_run_is_closed_first(two_runs: Shelf) -> None:
    two_runs.plan(3, 1)
    two_runs.abandon()
    two_runs.restorer.restore(CORPUS, 1)
    assert two_runs.progress(3).run.status == "failed"
    assert two_runs.live() == checksums(FIRST)


def test_a_version_that_never_was_changes_nothing(two_runs: Shelf) -> None:
    with pytest.raises(NotFoundError, match="version 99"):
        two_runs.restorer.restore(CORPUS, 99)
    assert two_runs.run(3, [SECOND]).vectors == 0
    assert two_runs.state.checkpoint(CORPUS, "objects", since_seq=0) == EndpointCheckpoint(
        last_modified="run 3"
    )


def test_a_damaged_catalog_stops_the_restore_before_anything_is_changed(two_runs: Shelf) -> None:
    (shard,) = two_runs.manifests.read_version(1).shards
    two_runs.store.put(shard.catalog.key, b"damaged")
    with pytest.raises(CorruptObjectError, match=shard.catalog.key):
        two_runs.restorer.restore(CORPUS, 1)
    assert set(two_runs.versions.read(CORPUS, MODEL, SECOND)) == set(SECOND)
    assert two_runs.state.lease(CORPUS) is None


def test_a_damaged_manifest_is_restored_and_its_last_commits_are_indexed_again(
    two_runs: Shelf,
) -> None:
    two_runs.run(3, [SECOND | {"a:6": "six", "a:2": "due"}], mode="incremental")
    newest = two_runs.manifest().version
    two_runs.store.put(two_runs.manifests.key, b"{")
    manifest = two_runs.restorer.restore(CORPUS, newest - 1)
    assert manifest.version > newest - 1
    assert two_runs.live() == checksums(SECOND)
    progress = two_runs.run(4, [SECOND | {"a:6": "six", "a:2": "due"}])
    assert progress.run.status == "succeeded"
    assert two_runs.live() == checksums(SECOND | {"a:6": "six", "a:2": "due"})


def test_a_damaged_shard_that_no_version_names_is_passed_over(two_runs: Shelf) -> None:
    two_runs.store.put(two_runs.manifests.key, b"{")
    stray = two_runs.manifests.key.replace("manifest.json", "shards/stray.npz")
    two_runs.store.put(stray, b"damaged")
    two_runs.restorer.restore(CORPUS, 1)
    assert two_runs.live() == checksums(FIRST)
