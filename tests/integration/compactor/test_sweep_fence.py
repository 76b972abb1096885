"""A commit of an older run never lands unseen, whichever step of a sweep it falls between."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from shared.models.jobs import IndexJob
from shared.models.maintenance import SweepJob
from tests.integration.line.indexed_corpus import Shelf, checksums
from tests.unit.embedder.remembered import WorkerDiedError
from tests.unit.index.failing_store import HookedStore, once

FIRST = {"a:1": "one", "a:2": "two", "a:3": "three"}
MANIFEST = "/manifest.json"
LONGEST_WAIT = 60.0


@pytest.fixture
def late(shelf: Shelf) -> IndexJob:
    """An index job of run 2, which found one entity more, in its dead-letter queue."""
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1, mode="incremental")
    return shelf.give_up_indexing(page, FIRST | {"a:9": "nine"})


@pytest.fixture
def job(shelf: Shelf, late: IndexJob) -> SweepJob:
    """The sweep of run 3, which saw what the index holds."""
    assert late.seq == 2
    (page,) = shelf.plan(3, 1)
    shelf.finish(shelf.chunked(page, FIRST))
    (job,) = shelf.sweeps
    shelf.sweeps.clear()
    return job


def die() -> None:
    raise WorkerDiedError


def test_a_commit_that_comes_while_a_sweep_reads_the_index_is_refused(
    shelf: Shelf, late: IndexJob, job: SweepJob
) -> None:
    store = HookedStore(shelf.store, after=once("download", ".npz", lambda: shelf.index(late)))
    replace(shelf.sweeper, store=store).sweep(job)
    assert shelf.progress(3).run.status == "succeeded"
    assert shelf.progress(2).parts_outdated == 1
    assert shelf.live() == checksums(FIRST)


def test_a_sweep_that_died_before_its_fence_makes_it_when_it_is_done_again(
    shelf: Shelf, late: IndexJob, job: SweepJob
) -> None:
    def sweep_twice() -> None:
        store = HookedStore(shelf.store, before=once("put", MANIFEST, die))
        with pytest.raises(WorkerDiedError):
            replace(shelf.sweeper, store=store).sweep(job)
        shelf.sweeper.sweep(job)

    # The commit has passed the floor as it was before the sweep.
    shelf.store.before_next_put(MANIFEST, sweep_twice)
    shelf.index(late)
    assert shelf.progress(3).run.status == "succeeded"
    assert shelf.live() == checksums(FIRST)


def test_a_commit_that_is_decided_after_the_fence_goes_by_the_raised_floor(
    shelf: Shelf, late: IndexJob, job: SweepJob
) -> None:
    has_decided, is_swept = Event(), Event()
    commits: list[Future[None]] = []

    def wait_before_writing() -> None:
        has_decided.set()
        assert is_swept.wait(LONGEST_WAIT)

    def commit() -> None:
        try:
            shelf.index(late)
        finally:
            has_decided.set()  # to write nothing

    with ThreadPoolExecutor(1) as pool:

        def begin_commit() -> None:
            shelf.store.before_next_put(MANIFEST, wait_before_writing)
            commits.append(pool.submit(commit))
            assert has_decided.wait(LONGEST_WAIT)

        try:
            store = HookedStore(shelf.store, after=once("put", MANIFEST, begin_commit))
            replace(shelf.sweeper, store=store).sweep(job)
        finally:
            is_swept.set()
        commits.pop().result()
    assert shelf.progress(3).run.status == "succeeded"
    assert shelf.live() == checksums(FIRST)
