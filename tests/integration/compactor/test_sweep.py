"""After a full run the index holds what the run saw, whoever dies and whatever comes late."""

from datetime import timedelta
from typing import Any

import pytest

from services.compactor.sweep.sweep_run import Sweeper
from shared.errors import CorruptObjectError, LeaseHeldError, NotFoundError
from shared.index.shard.vector_file import decode_vectors
from shared.models.chunk import CoveredEntity, chunk_file_line
from shared.models.entity import NO_CONTENT
from shared.models.jobs import Job
from shared.runs.leases import RUN_LEASE_SECONDS
from shared.storage import jsonl, keys
from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums
from tests.unit.embedder.remembered import MODEL, WorkerDiedError

FIRST = {"a:1": "one", "a:2": "two", "a:3": "three", "a:4": ""}


def without(*gone: str) -> dict[str, str]:
    return {key: text for key, text in FIRST.items() if key not in gone}


def test_an_unchanged_corpus_embeds_nothing_and_commits_nothing(shelf: Shelf) -> None:
    first = shelf.run(1, [FIRST, {"a:5": "five"}])
    assert (first.run.status, first.vectors, first.entities_deleted) == ("succeeded", 4, 0)
    version, embedded = shelf.manifest().version, shelf.encoder.texts
    again = shelf.run(2, [FIRST, {"a:5": "five"}])
    assert (again.run.status, again.vectors, again.chunks_unchanged) == ("succeeded", 0, 4)
    assert (shelf.manifest().version, shelf.encoder.texts) == (version, embedded)
    assert not [found for found in shelf.store.list("embeddings/") if "sweep" in found.key]


def test_what_a_full_run_did_not_see_is_deleted(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    progress = shelf.run(2, [without("a:2") | {"a:1": "uno"}])
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 1)
    assert shelf.live() == checksums(without("a:2") | {"a:1": "uno"})
    assert shelf.manifest().change == "sweep"
    assert shelf.versions.read(CORPUS, MODEL, ["a:2"])["a:2"].checksum == NO_CONTENT


def test_a_sweep_that_its_twin_overtakes_counts_what_the_twin_deleted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, without("a:2")))
    job = shelf.sweeps.pop()
    keep_older_runs_out = Sweeper._keep_older_runs_out

    def die(*_: Any, **__: Any) -> None:
        raise WorkerDiedError

    def twin_goes_first(sweeper: Sweeper, job: Any) -> None:
        monkeypatch.setattr(Sweeper, "_keep_older_runs_out", keep_older_runs_out)
        with monkeypatch.context() as patch, pytest.raises(WorkerDiedError):
            patch.setattr(shelf.runs.endings, "finish_sweep", die)
            sweeper.sweep(job)
        keep_older_runs_out(sweeper, job)

    monkeypatch.setattr(Sweeper, "_keep_older_runs_out", twin_goes_first)
    shelf.sweeper.sweep(job)
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 1)
    assert shelf.live() == checksums(without("a:2"))


def test_what_comes_back_unchanged_is_indexed_again(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    shelf.run(2, [without("a:2")])
    progress = shelf.run(3, [FIRST])
    assert (progress.vectors, progress.chunks_unchanged) == (1, 2)
    assert shelf.live() == checksums(FIRST)


def test_an_incremental_run_deletes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    assert shelf.run(2, [{"a:1": "uno"}], mode="incremental").run.status == "succeeded"
    assert shelf.live() == checksums(FIRST | {"a:1": "uno"})


def test_a_rebuild_finds_the_deletions_beside_the_vectors(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    run_id = shelf.run(2, [without("a:2", "a:3")]).run.run_id
    page = Job(corpus=CORPUS, run_id=run_id, page_id="sweep", seq=2)
    key = keys.embeddings_key(page, 0)
    kept = shelf.store.get(key)
    stored = decode_vectors(kept.data, key)
    assert stored.checksums == {"a:2": NO_CONTENT, "a:3": NO_CONTENT}
    assert (stored.seq, stored.origin, stored.ids) == (2, f"{run_id}/sweep/0", ())
    assert kept.metadata["model-id"] == MODEL.id
    key = keys.chunks_key(page, 0)
    lines = [
        chunk_file_line.validate_json(line)
        for line in jsonl.decode_lines(shelf.store.get(key).data, key)
    ]
    assert lines == [CoveredEntity(entity_key=key) for key in ("a:2", "a:3")]


@pytest.mark.parametrize("is_after", [False, True])
def test_a_sweep_that_dies_at_any_write_is_done_by_its_redelivery(
    shelf: Shelf, is_after: bool
) -> None:
    shelf.run(1, [FIRST])
    for page in shelf.plan(2, 1):
        shelf.finish(shelf.chunked(page, without("a:2", "a:3")))
    job = shelf.sweeps[0]
    assert shelf.until_it_lives(lambda: shelf.sweeper.sweep(job), is_after=is_after) >= 3
    shelf.sweeper.sweep(job)
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 2)
    assert shelf.live() == checksums(without("a:2", "a:3"))
    assert [shard.origin for shard in shelf.manifest().shards].count(f"{job.run_id}/sweep/0") == 1


def test_a_sweep_whose_commit_was_its_last_act_still_counts_what_it_deleted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    for page in shelf.plan(2, 1):
        shelf.finish(shelf.chunked(page, without("a:2")))
    job = shelf.sweeps[0]
    with monkeypatch.context() as patch:
        patch.setattr(shelf.runs.endings, "finish_sweep", lambda *_, **__: None)
        shelf.sweeper.sweep(job)
    version = shelf.manifest().version
    shelf.sweeper.sweep(job)
    assert shelf.progress(2).entities_deleted == 1
    assert shelf.manifest().version == version


def many(count: int) -> dict[str, str]:
    return {f"a:{n}": f"text {n}" for n in range(count)}


def test_a_source_that_lost_most_of_itself_deletes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [many(20)])
    for number, status in ((2, "incomplete"), (3, "succeeded")):
        progress = shelf.run(number, [many(9)])
        assert progress.run.status == status
        if status == "incomplete":
            assert progress.run.reason is not None
            assert progress.run.reason.startswith("11 of 20 entities would vanish")
            assert "maximum_vanished_share" in progress.run.reason
            assert shelf.live() == checksums(many(20))
            assert shelf.state.lease(CORPUS) is None
            shelf.registry.corpus = shelf.registry.corpus.model_copy(
                update={"maximum_vanished_share": 1.0}
            )
    assert progress.entities_deleted == 11
    assert shelf.live() == checksums(many(9))


def test_half_of_an_index_may_vanish_and_all_of_a_small_one(shelf: Shelf) -> None:
    shelf.run(1, [many(20)])
    assert shelf.run(2, [many(10)]).entities_deleted == 10
    assert shelf.run(3, [{}]).entities_deleted == 10
    assert shelf.live() == {}


def test_a_rejected_line_must_not_delete_what_it_was(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    progress = shelf.run(2, [without("a:2")], rejects=1)
    assert progress.run.status == "succeeded"
    assert progress.run.reason is not None
    assert "1 lines were rejected" in progress.run.reason
    assert shelf.live() == checksums(FIRST)


def test_a_source_that_changed_under_the_run_deletes_nothing(shelf: Shelf) -> None:
    # An entity slipped behind the edge of a page: the run saw fewer than the source has.
    shelf.run(1, [FIRST], records=len(FIRST))
    progress = shelf.run(2, [without("a:2"), without("a:2")], records=len(FIRST))
    assert progress.run.status == "succeeded"
    assert progress.run.reason is not None
    assert f"{len(FIRST)} records and showed {len(FIRST) - 1}" in progress.run.reason
    assert shelf.live() == checksums(FIRST)
    assert shelf.run(3, [without("a:2")], records=len(FIRST) - 1).entities_deleted == 1


def test_a_page_that_was_not_read_deletes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    first, second = shelf.plan(2, 2)
    shelf.runs.ledger.end_page(first, "unchanged")
    shelf.finish(shelf.chunked(second, {"a:9": "nine"}))
    shelf.sweep_all()
    assert shelf.progress(2).run.status == "succeeded"
    assert shelf.live() == checksums(FIRST | {"a:9": "nine"})


def test_a_newer_run_stops_the_sweep_of_an_older_one(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    late = shelf.chunked(page, without("a:2"))
    shelf.runs.ledger.end_page(page, "failed", "poison")
    shelf.run(3, [{"a:1": FIRST["a:1"]}], mode="incremental")
    shelf.finish(late)
    shelf.sweep_all()
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 0)
    assert progress.run.reason == (
        "nothing was swept: run 20261123T060000Z-00000003 of shelf is newer"
    )
    assert shelf.live() == checksums(FIRST)


def test_a_late_sweep_of_a_redriven_run_waits_for_nobody_and_keeps_no_lease(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    first, second = shelf.plan(2, 2)
    shelf.finish(shelf.chunked(first, without("a:2", "a:3")))
    shelf.runs.ledger.end_page(second, "failed", "poison")
    assert shelf.sweeps == []
    shelf.finish(shelf.chunked(second, {"a:2": "two"}))
    shelf.sweep_all()
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 1)
    assert shelf.live() == checksums(without("a:3"))
    assert shelf.state.lease(CORPUS) is None


def test_a_sweep_that_a_twin_finishes_first_keeps_no_lease(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    for page in shelf.plan(2, 1):
        shelf.finish(shelf.chunked(page, without("a:2")))
    job = shelf.sweeps[0]
    acquire = shelf.state.acquire_lease

    def after_the_twin(*arguments: Any) -> None:
        monkeypatch.setattr(shelf.state, "acquire_lease", acquire)
        shelf.sweeper.sweep(job)
        acquire(*arguments)

    monkeypatch.setattr(shelf.state, "acquire_lease", after_the_twin)
    shelf.sweeper.sweep(job)
    progress = shelf.progress(2)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 1)
    assert shelf.state.lease(CORPUS) is None


def test_a_run_whose_sweep_is_killed_keeps_its_corpus_until_the_sweep_comes_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.run(1, [FIRST])
    for page in shelf.plan(2, 1, lease_seconds=RUN_LEASE_SECONDS):
        shelf.finish(shelf.chunked(page, without("a:2")))
    job = shelf.sweeps[0]

    def killed(*_: object) -> None:
        raise WorkerDiedError

    with monkeypatch.context() as patch:
        patch.setattr(Sweeper, "_sweep", killed)
        with pytest.raises(WorkerDiedError):
            shelf.sweeper.sweep(job)
    # The message of a killed worker stays hidden for six times the function's timeout.
    shelf.now += timedelta(seconds=6 * 900)
    following = "20261123T080000Z-00000003"
    assert shelf.state.close_abandoned_run(CORPUS, following, shelf.runs) is None
    with pytest.raises(LeaseHeldError, match=job.run_id):
        shelf.state.acquire_lease(CORPUS, following, 60)
    shelf.sweeper.sweep(job)
    assert shelf.progress(2).run.status == "succeeded"
    assert shelf.live() == checksums(without("a:2"))


def test_a_page_redriven_after_a_newer_sweep_brings_nothing_back(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    late = shelf.chunked(page, FIRST | {"a:1": "for a day", "a:9": "never indexed, then gone"})
    shelf.runs.ledger.end_page(page, "failed", "poison")
    shelf.run(3, [without("a:2")])
    shelf.finish(late)
    assert shelf.live() == checksums(without("a:2"))
    shelf.sweep_all()
    assert (shelf.progress(2).run.status, shelf.progress(2).parts_outdated) == ("incomplete", 1)
    assert shelf.live() == checksums(without("a:2"))


def test_a_sweep_of_a_run_that_was_closed_is_over(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, without("a:2")))
    shelf.abandon()
    shelf.state.close_abandoned_run(CORPUS, "20261123T080000Z-00000003", shelf.runs)
    shelf.sweep_all()
    assert shelf.progress(2).run.status == "failed"
    assert shelf.live() == checksums(FIRST)


def test_a_page_whose_entities_are_gone_or_damaged_deletes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, without("a:2")))
    (job,) = shelf.sweeps
    key = keys.entities_key(page)
    good = shelf.store.get(key).data
    for bad in (good[:20], jsonl.encode_lines(['{"no": "entity"}'])):
        shelf.store.put(key, bad)
        with pytest.raises(CorruptObjectError, match=key):
            shelf.sweeper.sweep(job)
    shelf.store.delete(key)
    with pytest.raises(NotFoundError, match=key):
        shelf.sweeper.sweep(job)
    assert shelf.live() == checksums(FIRST)
    shelf.store.put(key, good)
    shelf.sweeper.sweep(job)
    assert shelf.live() == checksums(without("a:2"))


def test_a_damaged_manifest_fails_the_sweep(shelf: Shelf) -> None:
    shelf.run(1, [FIRST])
    (page,) = shelf.plan(2, 1)
    shelf.finish(shelf.chunked(page, FIRST))
    shelf.store.put(shelf.manifests.key, b"{")
    with pytest.raises(CorruptObjectError, match=shelf.manifests.key):
        shelf.sweep_all()
    assert shelf.progress(2).run.status == "running"


def test_a_corpus_without_an_index_has_nothing_to_sweep(shelf: Shelf) -> None:
    assert shelf.run(1, []).run.status == "succeeded"
