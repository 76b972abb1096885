"""A damaged shard is taken out: nothing old comes to light, nothing it held is lost for good."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from services.compactor.mark_bad import ShardMarker
from shared.errors import ConflictError, LeaseHeldError, NotFoundError
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import FileReference, ShardDescriptor
from shared.models.run import EndpointCheckpoint
from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums
from tests.unit.embedder.remembered import MODEL, WorkerDiedError
from tests.unit.index.failing_store import HookedStore, once
from tests.unit.index.manifest_builders import no_floor

FIRST = {"a:1": "one", "a:2": "two", "a:3": "three"}
SECOND = {"a:1": "uno", "a:2": "due", "a:4": "four"}  # a:3 is gone
HALVES = [{"a:1": "uno"}, {"a:2": "due", "a:4": "four"}]


class Bench:
    """A corpus of two runs, and what mends its index."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.marker = ShardMarker(
            store=shelf.store,
            model=MODEL,
            runs=shelf.runs,
            state=shelf.state,
            floor=shelf.floor,
            versions=shelf.versions,
            rebuilder=shelf.rebuilder,
            work_directory=shelf.directory,
        )
        shelf.run(1, [FIRST])
        shelf.run(2, HALVES)
        assert shelf.live() == checksums(SECOND)

    def shard_of(self, page: str) -> ShardDescriptor:
        """The shard that the second run made of a page."""
        [shard] = [s for s in self.shelf.manifest().shards if s.origin.endswith(f"2/{page}/0")]
        return shard

    def damage(self, file: FileReference | None) -> None:
        assert file is not None
        data = bytearray(self.shelf.store.get(file.key).data)
        data[len(data) // 2] ^= 0xFF
        self.shelf.store.put(file.key, bytes(data))


@pytest.fixture
def bench(shelf: Shelf) -> Bench:
    return Bench(shelf)


def test_what_a_damaged_shard_held_is_rebuilt_from_the_stored_vectors(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    bench.damage(shard.graph)
    before = bench.shelf.manifest()
    marked = bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)
    assert marked.manifest.version == before.version + 1
    assert marked.manifest.change == f"bad:{shard.shard_id}"
    assert marked.entities == shard.entities
    assert sum(s.vectors for s in marked.manifest.shards) == (
        sum(s.vectors for s in before.shards) - shard.vectors
    )
    assert shard.shard_id not in {s.shard_id for s in bench.shelf.manifest().shards}
    # Neither the older text of a:2, of the first run, nor the deleted a:3 comes to light.
    assert bench.shelf.live() == checksums(HALVES[0])
    embedded = bench.shelf.encoder.texts
    bench.shelf.rebuild_all()
    assert bench.shelf.live() == checksums(SECOND)
    assert bench.shelf.encoder.texts == embedded
    assert bench.shelf.run(3, [SECOND]).run.status == "succeeded"
    assert bench.shelf.live() == checksums(SECOND)


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_without_a_rebuild_the_next_run_embeds_it_again(bench: Bench, mode: str) -> None:
    shard = bench.shard_of("p-1")
    bench.damage(shard.sidecar)
    bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=False)
    assert bench.shelf.maintenance.jobs == []
    assert bench.shelf.state.checkpoint(CORPUS, "objects", since_seq=0) == EndpointCheckpoint()
    assert bench.shelf.state.page_etag(CORPUS, "p-1", since_seq=0) is None
    assert bench.shelf.live() == checksums(HALVES[0])
    progress = bench.shelf.run(3, [SECOND], mode=mode)  # type: ignore[arg-type]
    assert progress.vectors == 2  # a:2 and a:4; a:1 was there
    assert bench.shelf.live() == checksums(SECOND)


@pytest.mark.parametrize("is_rebuilt_at_once", [True, False])
def test_a_rebuild_does_not_bring_back_what_is_deleted_while_its_shard_is_missing(
    bench: Bench, is_rebuilt_at_once: bool
) -> None:
    shard = bench.shard_of("p-1")
    bench.damage(shard.graph)
    bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=is_rebuilt_at_once)
    left = {key: text for key, text in SECOND.items() if key != "a:4"}
    bench.shelf.run(3, [left])
    if not is_rebuilt_at_once:
        bench.shelf.rebuilder.begin(CORPUS)
    bench.shelf.rebuild_all()
    assert bench.shelf.manifest().change.startswith("rebuild:")
    assert bench.shelf.live() == checksums(left)


def test_late_work_of_earlier_runs_is_kept_out_from_a_mark_on(bench: Bench) -> None:
    (page,) = bench.shelf.plan(3, 1, mode="incremental")
    late = bench.shelf.give_up_indexing(page, {"a:9": "nine"})
    bench.marker.mark_bad(CORPUS, bench.shard_of("p-1").shard_id, rebuild=False)
    bench.shelf.index(late)
    assert bench.shelf.progress(3).parts_outdated == 1
    assert "a:9" not in bench.shelf.live()


def test_of_a_shard_whose_catalog_is_damaged_all_is_embedded_again(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    bench.damage(shard.catalog)
    marked = bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=False)
    assert marked.entities is None
    assert bench.shelf.versions.read(CORPUS, MODEL, SECOND) == {}
    assert bench.shelf.run(3, [SECOND]).vectors == 3
    assert bench.shelf.live() == checksums(SECOND)


def test_a_damaged_catalog_is_no_hindrance_to_the_rebuild(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    bench.damage(shard.catalog)
    bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)
    bench.shelf.rebuild_all()
    assert bench.shelf.live() == checksums(SECOND)


def test_a_shard_that_is_gone_wholly_can_be_marked_too(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    for file in shard.files:
        bench.shelf.store.delete(file.key)
    bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)
    bench.shelf.rebuild_all()
    assert bench.shelf.live() == checksums(SECOND)


def test_the_job_that_made_it_does_not_bring_it_back(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    marked = bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=False)
    assert bench.shelf.manifests.commit([shard], floor=no_floor) == marked.manifest


def test_a_restore_brings_it_back_where_that_was_a_mistake(bench: Bench) -> None:
    before = bench.shelf.manifest()
    bench.marker.mark_bad(CORPUS, bench.shard_of("p-1").shard_id, rebuild=False)
    bench.shelf.restorer.restore(CORPUS, before.version)
    assert bench.shelf.live() == checksums(SECOND)
    assert bench.shelf.run(3, [SECOND]).vectors == 0


def test_an_unknown_shard_changes_nothing(bench: Bench) -> None:
    before = bench.shelf.manifest()
    with pytest.raises(NotFoundError, match="no shard 0123456789abcdef"):
        bench.marker.mark_bad(CORPUS, "0123456789abcdef", rebuild=True)
    assert bench.shelf.manifest() == before
    assert bench.shelf.state.checkpoint(CORPUS, "objects", since_seq=0).last_modified == "run 2"
    assert bench.shelf.state.lease(CORPUS) is None


def test_without_stored_vectors_a_rebuild_is_refused_before_anything_is_changed(
    bench: Bench,
) -> None:
    for found in list(bench.shelf.store.list("embeddings/")):
        bench.shelf.store.delete(found.key)
    before = bench.shelf.manifest()
    with pytest.raises(NotFoundError, match="without a rebuild"):
        bench.marker.mark_bad(CORPUS, bench.shard_of("p-1").shard_id, rebuild=True)
    assert bench.shelf.manifest() == before


def test_a_live_run_is_not_disturbed(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    (page,) = bench.shelf.plan(3, 1)
    with pytest.raises(LeaseHeldError, match=page.run_id):
        bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)
    assert bench.shard_of("p-1") == shard


def test_a_run_that_was_abandoned_is_closed_first(bench: Bench) -> None:
    bench.shelf.plan(3, 1)
    bench.shelf.abandon()
    bench.marker.mark_bad(CORPUS, bench.shard_of("p-1").shard_id, rebuild=False)
    assert bench.shelf.progress(3).run.status == "failed"


def test_a_shard_that_is_merged_meanwhile_is_said_to_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = bench.shard_of("p-1")
    monkeypatch.setattr(ManifestStore, "replace", lambda *_, **__: None)
    with pytest.raises(ConflictError, match="just now"):
        bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)
    assert bench.shelf.state.lease(CORPUS) is None


@pytest.mark.parametrize("is_after", [False, True])
def test_done_again_after_a_cut_it_goes_on(bench: Bench, is_after: bool) -> None:
    shard = bench.shard_of("p-1")
    bench.damage(shard.graph)

    def mark() -> None:
        bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)

    assert bench.shelf.until_it_lives(mark, is_after=is_after) > 0
    versions = [m.change for m in bench.shelf.manifests.versions()]
    assert versions.count(f"bad:{shard.shard_id}") == 1
    bench.shelf.rebuild_all()
    assert bench.shelf.live() == checksums(SECOND)


def test_cut_off_just_after_its_commit_it_has_all_indexed_again(bench: Bench) -> None:
    shard = bench.shard_of("p-1")

    def die() -> None:
        raise WorkerDiedError

    store = HookedStore(bench.shelf.store, after=once("put", "/manifest.json", die))
    with pytest.raises(WorkerDiedError):
        replace(bench.marker, store=store).mark_bad(CORPUS, shard.shard_id, rebuild=False)
    assert bench.shelf.live() == checksums(HALVES[0])
    # Done again, it finds nothing left to do.
    bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=False)
    assert bench.shelf.state.page_etag(CORPUS, "p-1", since_seq=0) is None
    bench.shelf.run(3, [SECOND], mode="incremental")
    assert bench.shelf.live() == checksums(SECOND)


def test_files_of_the_shard_stay_for_a_look_at_them(bench: Bench) -> None:
    shard = bench.shard_of("p-1")
    bench.marker.mark_bad(CORPUS, shard.shard_id, rebuild=False)
    assert {PurePosixPath(file.key).suffix for file in shard.files} == {".npz", ".hnsw", ".sqlite"}
    assert all(bench.shelf.store.exists(file.key) for file in shard.files)
