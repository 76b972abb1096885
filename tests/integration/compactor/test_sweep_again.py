"""A sweep that is done late or again: what it decided holds, and what has come since is kept."""

from dataclasses import replace
from typing import Any

import pytest

from services.compactor.mark_bad import ShardMarker
from shared.corpora.entity_versions import EntityVersions
from shared.errors import LeaseHeldError
from shared.models.maintenance import SweepJob
from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums
from tests.unit.embedder.remembered import MODEL, WorkerDiedError
from tests.unit.index.failing_store import HookedStore, once

FIRST = {"a:1": "one", "a:2": "two", "a:3": "three"}
LEFT = {"a:1": "one"}
DECISION = "sweep-0000.npz"


@pytest.fixture
def job(shelf: Shelf) -> SweepJob:
    """The sweep of run 2, which saw `LEFT`; a page of it failed, so the corpus was free since."""
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    late = shelf.chunked(page, LEFT)
    shelf.runs.ledger.end_page(page, "failed", "for a test")
    assert shelf.state.lease(CORPUS) is None
    shelf.finish(late)
    (job,) = shelf.sweeps
    shelf.sweeps.clear()
    return job


def die() -> None:
    raise WorkerDiedError


def decide(shelf: Shelf, job: SweepJob) -> None:
    """Have a worker die that has decided what to delete, and has not deleted it."""
    store = HookedStore(shelf.store, after=once("put", DECISION, die))
    with pytest.raises(WorkerDiedError):
        replace(shelf.sweeper, store=store).sweep(job)
    assert shelf.live() == checksums(FIRST)


def test_what_was_decided_is_deleted_though_a_newer_run_has_begun(
    shelf: Shelf, job: SweepJob
) -> None:
    decide(shelf, job)
    assert shelf.run(3, [{"a:3": "three"}], mode="incremental").vectors == 1
    shelf.sweeper.sweep(job)
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 2)
    # What the newer run found in the source again stays.
    assert shelf.live() == checksums(LEFT | {"a:3": "three"})


def test_what_was_decided_is_not_deleted_from_what_was_restored_since(
    shelf: Shelf, job: SweepJob
) -> None:
    decide(shelf, job)
    shelf.restorer.restore(CORPUS, 1)
    shelf.sweeper.sweep(job)
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 0)
    assert "restored" in (progress.run.reason or "")
    assert shelf.live() == checksums(FIRST)


def test_a_sweep_from_before_a_restore_keeps_nothing_that_a_rebuild_would_delete(
    shelf: Shelf, job: SweepJob
) -> None:
    shelf.restorer.restore(CORPUS, 1)
    shelf.sweeper.sweep(job)
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.manifest().change.startswith("rebuild:")
    assert shelf.live() == checksums(FIRST)
    assert shelf.run(3, [FIRST]).vectors == 0


def test_a_corpus_that_another_process_holds_is_not_swept(shelf: Shelf, job: SweepJob) -> None:
    shelf.state.acquire_lease(CORPUS, "restore-1", 900)
    shelf.sweeper.sweep(job)
    assert "being ingested by run restore-1" in (shelf.progress(2).run.reason or "")
    assert shelf.live() == checksums(FIRST)


def test_an_index_is_not_restored_while_it_is_swept(shelf: Shelf, job: SweepJob) -> None:
    refused: list[str] = []

    def restore() -> None:
        with pytest.raises(LeaseHeldError, match=job.run_id) as caught:
            shelf.restorer.restore(CORPUS, 1)
        refused.append(str(caught.value))

    store = HookedStore(shelf.store, before=once("put", DECISION, restore))
    replace(shelf.sweeper, store=store).sweep(job)
    assert len(refused) == 1
    assert shelf.live() == checksums(LEFT)


def test_what_a_newer_run_finds_unchanged_while_a_sweep_decides_is_kept(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, LEFT))
    begin = EntityVersions.begin

    def begin_too_late(*arguments: Any) -> set[str]:
        # A cancel frees the corpus at once, also while a worker sweeps.
        monkeypatch.setattr(EntityVersions, "begin", begin)
        shelf.runs.steering.request_cancel(page.run_id)
        shelf.runs.steering.finish_cancel(page.run_id)
        assert shelf.run(3, [FIRST], mode="incremental").vectors == 0
        return begin(*arguments)

    (job,) = shelf.sweeps
    shelf.sweeps.clear()
    monkeypatch.setattr(EntityVersions, "begin", begin_too_late)
    shelf.sweeper.sweep(job)
    assert shelf.progress(3).run.status == "succeeded"
    assert shelf.live() == checksums(FIRST)

    # Nor does a rebuild delete it again, as if the run that was cancelled had the last word.
    (shard,) = shelf.manifest().shards
    marker = ShardMarker(
        store=shelf.store,
        model=MODEL,
        runs=shelf.runs,
        state=shelf.state,
        floor=shelf.floor,
        versions=shelf.versions,
        rebuilder=shelf.rebuilder,
        work_directory=shelf.directory,
    )
    marker.mark_bad(CORPUS, shard.shard_id, rebuild=True)
    shelf.rebuild_all()
    assert shelf.live() == checksums(FIRST)


def test_what_the_run_itself_has_indexed_is_kept(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, FIRST | {"a:2": "due"}))
    # Derived again, as a message may come again: under a mapping that leaves an entity out.
    shelf.chunked(page, {"a:1": "one", "a:3": "three"})
    shelf.sweep_all()
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 0)
    assert shelf.live() == checksums(FIRST | {"a:2": "due"})
