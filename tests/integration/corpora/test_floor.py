"""Late work of older runs: it brings nothing back, takes nothing away, and is never relied upon.

Each test is an order of events between machines that are each right by themselves: index jobs in
dead-letter queues, sweeps, restores, rebuilds, and runs that were cancelled while they worked.
"""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.cli.corpus.administration import CorpusAdministration
from services.cli.corpus.schedules import Schedules
from services.embedder.unchanged import UnchangedEntities
from shared.corpora.documents import CorpusDocuments
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.errors import ConflictError, NotFoundError, PostponedError
from shared.models.jobs import IndexJob
from shared.models.manifest import Manifest
from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums
from tests.integration.line.run_of_pages import Line
from tests.unit.embedder.remembered import MODEL, WorkerDiedError
from tests.unit.index.manifest_builders import no_floor

FIRST = {"a:1": "one", "a:2": "two", "a:3": "three"}
NEW = FIRST | {"a:9": "nine"}


@pytest.fixture
def late(shelf: Shelf) -> IndexJob:
    """An index job of run 2, which found `NEW`, in its dead-letter queue; run 2 is incomplete."""
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1, mode="incremental")
    job = shelf.give_up_indexing(page, NEW)
    assert shelf.progress(2).run.status == "incomplete"
    return job


def commit_of_before(shelf: Shelf, job: IndexJob) -> Manifest:
    """A commit that passed the floor in time and lands only now; its worker records it, too."""
    manifest = shelf.manifests.commit([job.shard], floor=no_floor)
    shelf.runs.ledger.record_stage(job, "indexer", {"shards": 1}, part=job.part, parts=job.parts)
    return manifest


# Sweeps


def test_a_late_index_job_does_not_bring_back_what_a_full_run_no_longer_saw(
    shelf: Shelf, late: IndexJob
) -> None:
    assert shelf.run(3, [FIRST]).run.status == "succeeded"
    shelf.index(late)
    assert shelf.live() == checksums(FIRST)


def test_an_outdated_part_counts_as_done_and_is_shown(shelf: Shelf, late: IndexJob) -> None:
    shelf.run(3, [FIRST])
    for _ in range(2):  # delivered twice
        shelf.index(late)
    progress = shelf.progress(2)
    assert (progress.pages_done, progress.parts_outdated) == (1, 1)
    assert progress.run.status == "incomplete"
    assert (progress.run.reason or "").startswith("1 parts did not enter the index")
    assert shelf.runs.ledger.indexed_origins([late.shard.origin]) == set()
    assert shelf.runs.ledger.is_recorded(late, "indexer", 0)


def test_what_came_too_late_is_indexed_by_the_next_run_that_sees_it(
    shelf: Shelf, late: IndexJob
) -> None:
    shelf.run(3, [FIRST])
    shelf.index(late)
    assert shelf.run(4, [NEW]).vectors == 1
    assert shelf.live() == checksums(NEW)


def test_the_etag_of_an_outdated_page_is_not_kept(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    pages = shelf.plan(2, 2, mode="incremental")
    shelf.finish(shelf.chunked(pages[0], FIRST))
    late = shelf.give_up_indexing(pages[1], {"a:9": "nine"})
    shelf.run(3, [FIRST])
    shelf.index(late)
    assert shelf.progress(2).pages_done == 2
    assert shelf.state.page_etag(CORPUS, pages[0].page_id, since_seq=0) == "e"
    assert shelf.state.page_etag(CORPUS, pages[1].page_id, since_seq=0) is None


def test_the_etag_of_a_page_whose_entities_a_newer_job_began_is_not_kept(shelf: Shelf) -> None:
    """The newer job may never be indexed: then the source must not call the page unchanged."""
    [page] = shelf.plan(1, 1, "incremental")
    late = shelf.chunked(page, {"a:1": "one"})
    shelf.runs.ledger.end_page(page, "failed", "embed: for a test")
    [newer] = shelf.plan(2, 1, "incremental")
    shelf.give_up_indexing(newer, {"a:1": "one"})

    shelf.finish(late)
    assert shelf.progress(1).pages_done == 1
    assert shelf.state.page_etag(CORPUS, page.page_id, since_seq=0) is None


def test_the_etag_of_a_run_from_before_a_restore_does_not_count(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [NEW])
    (page,) = shelf.plan(3, 1)
    job = shelf.chunked(page, NEW)
    shelf.runs.steering.request_cancel(page.run_id)
    shelf.runs.steering.finish_cancel(page.run_id)
    begin_changed = UnchangedEntities.begin_changed

    def restored_meanwhile(*arguments: Any) -> Any:
        found = begin_changed(*arguments)
        shelf.restorer.restore(CORPUS, 1)
        return found

    monkeypatch.setattr(UnchangedEntities, "begin_changed", restored_meanwhile)
    shelf.embedder.embed_part(job)  # finds all of it unchanged
    assert shelf.live() == checksums(FIRST)
    assert shelf.state.page_etag(CORPUS, page.page_id, since_seq=0) is None


def test_a_commit_that_is_under_way_while_a_sweep_decides_does_not_land(
    shelf: Shelf, late: IndexJob
) -> None:
    # It has passed the floor; before it writes, a full run begins, sees nothing new, and ends.
    shelf.store.before_next_put("manifest.json", lambda: shelf.run(3, [FIRST]))
    shelf.index(late)
    assert shelf.progress(3).run.status == "succeeded"
    assert shelf.live() == checksums(FIRST)
    assert shelf.runs.ledger.indexed_origins([late.shard.origin]) == set()


def test_an_embedder_that_is_overtaken_by_a_sweep_brings_nothing_back(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1, mode="incremental")
    part = shelf.chunked(page, NEW)
    shelf.runs.ledger.end_page(page, "failed", "embed: for a test")
    begin = EntityVersions.begin

    def begin_too_late(*arguments: Any) -> set[str]:
        monkeypatch.setattr(EntityVersions, "begin", begin)
        shelf.run(3, [FIRST])
        return begin(*arguments)

    monkeypatch.setattr(EntityVersions, "begin", begin_too_late)
    shelf.finish(part)
    assert shelf.progress(3).run.status == "succeeded"
    assert shelf.live() == checksums(FIRST)


def test_a_version_that_was_begun_but_came_too_late_never_passes_for_indexed(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1, mode="incremental")
    part = shelf.chunked(page, NEW)
    shelf.store.writes_left = 0  # the embedder dies once it has begun a:9
    with pytest.raises(WorkerDiedError):
        shelf.embedder.embed_part(part)
    shelf.runs.ledger.end_page(page, "failed", "embed: for a test")
    shelf.run(3, [FIRST])
    shelf.finish(part)
    shelf.run(4, [NEW])
    assert shelf.live() == checksums(NEW)


def test_only_leftovers_of_older_runs_make_a_sweep_write_a_version(
    shelf: Shelf, late: IndexJob
) -> None:
    before = shelf.manifest().version
    shelf.run(3, [FIRST])
    assert (shelf.manifest().version, shelf.manifest().change) == (before + 1, "fence")
    for number in (4, 5):
        shelf.run(number, [FIRST])
    assert shelf.manifest().version == before + 1


def test_a_sweep_after_a_restore_deletes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, {"a:1": "one"}))
    shelf.abandon()
    shelf.runs.endings.give_up_sweep(page.run_id, "for a test")
    shelf.restorer.restore(CORPUS, 1)
    shelf.sweep_all()
    progress = shelf.progress(2)
    assert progress.run.reason is not None
    assert "restored" in progress.run.reason
    assert shelf.live() == checksums(FIRST)


# Restores


def test_a_late_index_job_after_a_restore_never_parts_the_index_from_the_table(
    shelf: Shelf,
) -> None:
    shelf.run(1, [FIRST])
    changed = FIRST | {"a:1": "uno"}
    pages = shelf.plan(2, 2, mode="incremental")
    shelf.finish(shelf.chunked(pages[0], {"a:1": "un"}))
    late = shelf.give_up_indexing(pages[1], changed)  # a:1 stands on both pages
    shelf.restorer.restore(CORPUS, 1)
    shelf.index(late)
    assert shelf.live() == checksums(FIRST)
    shelf.run(3, [FIRST])
    assert shelf.live() == checksums(FIRST)
    shelf.run(4, [changed])
    assert shelf.live() == checksums(changed)


def test_a_commit_that_lands_while_a_version_is_restored_is_not_lost(
    shelf: Shelf, late: IndexJob
) -> None:
    # The run was cancelled, or its page given up, which frees the corpus; an indexer still works.
    shelf.store.before_next_put("manifest.json", lambda: commit_of_before(shelf, late))
    shelf.restorer.restore(CORPUS, 1)
    assert shelf.live() == checksums(FIRST)
    shelf.run(3, [NEW])
    assert shelf.live() == checksums(NEW)


def test_a_restore_that_is_overtaken_every_time_changes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [NEW])

    def overtake() -> None:
        shelf.manifests.fence()
        shelf.store.before_next_put("manifest.json", overtake_later)

    def overtake_later() -> None:
        overtake()

    shelf.store.before_next_put("manifest.json", overtake)
    with pytest.raises(ConflictError, match="nothing was restored"):
        shelf.restorer.restore(CORPUS, 1)
    assert shelf.live() == checksums(NEW)
    assert shelf.state.lease(CORPUS) is None


@pytest.mark.parametrize("action", ["retry_gaps", "resume"])
def test_a_run_from_before_a_restore_is_not_taken_up_again(
    dynamodb_client: Any, checkpoint_table: str, action: str
) -> None:
    line = Line(dynamodb_client, checkpoint_table)
    line.source.planned, line.source.broken = ["a", "b"], {"b"}
    run_id = line.start().run_id
    line.work()
    run = line.runs.reader.get_run(run_id).run
    assert run.status == "incomplete"
    if action == "resume":
        line.state.acquire_lease(line.corpus, run_id, 330)
        line.runs.steering.reopen_run(run_id)  # which was cut off
    IndexFloor(dynamodb_client, checkpoint_table).raise_to(line.corpus, run.seq + 1)
    with pytest.raises(ConflictError, match="start a new run"):
        line.steer(action, run_id)


# Rebuilds


def test_a_rebuild_leaves_out_what_came_too_late(shelf: Shelf, late: IndexJob) -> None:
    shelf.run(3, [FIRST])
    shelf.index(late)
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.manifest().change.startswith("rebuild:")
    assert shelf.live() == checksums(FIRST)


def test_a_rebuild_takes_up_what_is_still_to_be_indexed(shelf: Shelf, late: IndexJob) -> None:
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.live() == checksums(NEW)
    shelf.index(late)
    assert shelf.live() == checksums(NEW)


def test_a_rebuild_keeps_what_sweeps_deleted(shelf: Shelf) -> None:
    shelf.run(1, [NEW])
    shelf.run(2, [FIRST])
    shelf.run(3, [FIRST])  # the floor is above the sweep of run 2
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.live() == checksums(FIRST)


def test_a_part_that_is_indexed_while_a_rebuild_begins_is_not_lost(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1, mode="incremental")
    part = shelf.chunked(page, NEW)
    list_objects = shelf.store.list

    def list_then_index(prefix: str) -> Any:
        found = list(list_objects(prefix))
        if prefix.startswith("embeddings/"):
            monkeypatch.setattr(shelf.store, "list", list_objects)
            shelf.finish(part)
        return iter(found)

    monkeypatch.setattr(shelf.store, "list", list_then_index)
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.live() == checksums(NEW)


def test_a_sweep_while_an_index_is_rebuilt_holds_for_what_the_rebuild_made(
    shelf: Shelf, late: IndexJob
) -> None:
    shelf.rebuilder.begin(CORPUS)  # which takes up a:9
    shelf.run(3, [FIRST])
    shelf.rebuild_all()
    assert shelf.manifest().change.startswith("rebuild:")
    assert shelf.live() == checksums(FIRST)
    assert late.shard.shard_id not in {shard.shard_id for shard in shelf.manifest().shards}


def test_a_rebuild_over_a_restored_version_waits_for_the_run_that_relies_on_it(
    shelf: Shelf,
) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [FIRST | {"a:1": "uno"}])
    shelf.restorer.restore(CORPUS, 1)
    shelf.rebuilder.begin(CORPUS)
    (page,) = shelf.plan(3, 1)
    shelf.finish(shelf.chunked(page, FIRST))  # finds a:1 unchanged
    with pytest.raises(PostponedError, match=page.run_id):
        shelf.rebuild_all()
    assert shelf.live() == checksums(FIRST)
    shelf.sweep_all()
    assert shelf.state.page_etag(CORPUS, page.page_id, since_seq=0) == "e"
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    # Stored vectors know no restore; but the next run, of any mode, reads and mends it all.
    assert shelf.state.page_etag(CORPUS, page.page_id, since_seq=0) is None
    shelf.run(4, [FIRST], mode="incremental")
    assert shelf.live() == checksums(FIRST)


def test_a_rebuild_does_not_bring_back_what_was_deleted_after_a_restore(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [NEW])
    shelf.restorer.restore(CORPUS, 1)
    shelf.run(3, [FIRST])  # a:9 is not in the index, so there is nothing to delete
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.manifest().change.startswith("rebuild:")
    assert shelf.live() == checksums(FIRST)
    shelf.run(4, [NEW])  # it is in the source again
    assert shelf.live() == checksums(NEW)


def test_a_rebuild_that_cannot_know_what_was_deleted_says_what_to_do(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [NEW])
    shelf.restorer.restore(CORPUS, 1)
    shelf.run(3, [FIRST])
    for found in list(shelf.store.list("derived/")):
        shelf.store.delete(found.key)
    shelf.rebuilder.begin(CORPUS)
    with pytest.raises(NotFoundError, match="run in full, and begin the rebuild again"):
        shelf.rebuild_all()
    shelf.run(4, [FIRST])
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.live() == checksums(FIRST)


def test_a_sweep_that_ends_while_a_rebuild_compares_is_not_missed(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [NEW])
    shelf.restorer.restore(CORPUS, 1)
    (page,) = shelf.plan(3, 1)
    shelf.finish(shelf.chunked(page, FIRST))
    shelf.floor.raise_to(CORPUS, 3)  # by a worker that died in the sweep

    def sweep() -> str:
        shelf.sweep_all()
        return "rebuild-1"

    shelf.rebuilder = replace(shelf.rebuilder, new_holder=sweep)
    shelf.rebuilder.begin(CORPUS)
    shelf.rebuild_all()
    assert shelf.manifest().change.startswith("rebuild:")
    assert shelf.live() == checksums(FIRST)


def test_a_commit_that_lands_while_a_rebuild_ends_is_kept(shelf: Shelf, late: IndexJob) -> None:
    shelf.rebuilder.begin(CORPUS)
    shelf.store.before_next_put("manifest.json", lambda: shelf.index(late))
    shelf.rebuild_all()
    assert late.shard in shelf.manifest().shards
    assert shelf.live() == checksums(NEW)


# Indexes that are deleted


def administration(shelf: Shelf) -> CorpusAdministration:
    """The commands on corpora, of one without a document and without schedules."""
    documents = SimpleNamespace(find=lambda _: None, delete=lambda _: None)
    schedules = SimpleNamespace(states=lambda _: {}, remove=lambda _: None)
    return CorpusAdministration(
        documents=cast(CorpusDocuments, documents),
        schedules=cast(Schedules, schedules),
        state=shelf.state,
        floor=shelf.floor,
        runs=shelf.runs,
        versions=shelf.versions,
        store=shelf.store,
        models=(),
    )


def test_the_floor_never_falls(dynamodb_client: Any, checkpoint_table: str) -> None:
    floor = IndexFloor(dynamodb_client, checkpoint_table)
    assert floor.read("one") == floor.fenced("one") == 0
    for seq in (5, 9, 7):
        floor.raise_to("one", seq)
        floor.note_fenced("one", seq - 1)
    assert (floor.read("one"), floor.fenced("one")) == (9, 8)
    assert floor.read("another") == 0


def test_a_rebuild_that_ends_while_an_index_is_deleted_leaves_nothing_behind(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    shelf.rebuilder.begin(CORPUS)
    delete = shelf.store.delete

    def overtaken(key: str) -> None:
        monkeypatch.setattr(shelf.store, "delete", delete)
        shelf.rebuild_all()
        assert shelf.manifest().change.startswith("rebuild:")
        delete(key)

    monkeypatch.setattr(shelf.store, "delete", overtaken)
    administration(shelf).remove(CORPUS, delete_index=True)
    assert list(shelf.store.list("indexes/")) == []
    shelf.run(2, [NEW])
    assert shelf.live() == checksums(NEW)


def test_without_its_index_a_corpus_gets_no_manifest_from_a_late_job(
    shelf: Shelf, late: IndexJob
) -> None:
    shelf.floor.raise_to(CORPUS, 3)
    for found in [*shelf.store.list("indexes/"), *shelf.store.list("embeddings/")]:
        shelf.store.delete(found.key)
    shelf.index(late)
    assert list(shelf.store.list("indexes/")) == []
    assert shelf.versions.read(CORPUS, MODEL, ["a:9"])  # begun, but not indexed:
    assert shelf.runs.ledger.indexed_origins([late.shard.origin]) == set()
