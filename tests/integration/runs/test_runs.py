"""The accounting of a run on a real table: every mark counts once, whatever is repeated."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.corpora.corpus_state import CorpusState, PlannedRun
from shared.errors import ConflictError, InvalidJobError, LeaseHeldError, NotFoundError
from shared.models.jobs import PageJob
from shared.models.run import EndpointCheckpoint, PageOutcome, RunMode, RunRecord
from shared.runs.page_marks import StageName
from shared.runs.run_store import open_run_store
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHECKPOINTS = {"comics": EndpointCheckpoint(last_modified="2026-11-23T06:00:00Z", etag="e1")}


class World:
    """A run store, a corpus state and fresh names for each example."""

    _numbers = iter(range(1, 1_000_000))

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.now = datetime(2026, 11, 23, 6, tzinfo=UTC)
        clock = GivenTime(lambda: self.now)
        self.sweeps: list[str] = []
        self.runs = open_run_store(
            client, table, clock, request_sweep=lambda run: self.sweeps.append(run.run_id)
        )
        self.corpora = CorpusState(client, table, clock)
        self.fresh()

    def fresh(self) -> None:
        number = next(self._numbers)
        self.corpus = f"corpus-{number}"
        self.run_id = f"20261123T060000Z-{number:08x}"

    def start(
        self, pages: int, run_id: str | None = None, mode: RunMode = "incremental"
    ) -> list[PageJob]:
        run_id = run_id or self.run_id
        self.corpora.acquire_lease(self.corpus, run_id, 3600)
        record = RunRecord(
            run_id=run_id,
            corpus=self.corpus,
            mode=mode,
            status="planning",
            seq=1,
            started_at=self.now.isoformat(),
        )
        self.runs.planning.start_run(record)
        jobs = [
            PageJob(
                corpus=self.corpus,
                run_id=run_id,
                page_id=f"comics-{n:05d}",
                seq=1,
                endpoint="comics",
                query={"offset": str(n)},
            )
            for n in range(pages)
        ]
        self.runs.joining.add_pages(jobs)
        self.runs.planning.finish_planning(run_id, CHECKPOINTS, lease_seconds=3600)
        return jobs

    def finish_page(self, job: PageJob, parts: int = 1) -> None:
        self.runs.ledger.record_stage(
            job, "fetch", {"raw_records": 2}, etag="page-e", query_hash="q1"
        )
        self.runs.ledger.record_stage(job, "derive", {"entities": 2})
        self.runs.ledger.record_stage(job, "chunker", {"chunks": 3}, parts=parts)
        for part in range(parts):
            self.runs.ledger.record_stage(job, "embedder", {"vectors": 3}, part=part, parts=parts)
            self.runs.ledger.record_stage(job, "indexer", {"shards": 1}, part=part, parts=parts)


@pytest.fixture
def world(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> Iterator[World]:
    yield World(dynamodb_client, checkpoint_table)


def test_a_run_succeeds_when_its_last_page_is_indexed(world: World) -> None:
    first, second = world.start(2)
    world.finish_page(first)
    assert world.runs.reader.get_run(world.run_id).run.status == "running"
    world.finish_page(second, parts=2)
    progress = world.runs.reader.get_run(world.run_id)
    assert progress.run.status == "succeeded"
    assert (progress.pages_done, progress.raw_records, progress.shards) == (2, 4, 3)
    assert world.corpora.lease(world.corpus) is None
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == CHECKPOINTS["comics"]
    assert world.corpora.page_etag(world.corpus, "q1", since_seq=0) == "page-e"


def test_an_etag_is_trusted_by_the_run_that_it_was_kept_or_confirmed_before(world: World) -> None:
    [job] = world.start(1)
    world.finish_page(job)
    etag = world.corpora.page_etag
    assert etag(world.corpus, "q1", since_seq=job.seq) == "page-e"
    assert etag(world.corpus, "q1", since_seq=job.seq + 1) is None
    world.corpora.confirm_page_etag(world.corpus, "q1", "another-e", job.seq + 1)
    world.corpora.confirm_page_etag(world.corpus, "another page", "page-e", job.seq + 1)
    assert etag(world.corpus, "q1", since_seq=job.seq + 1) is None
    assert etag(world.corpus, "another page", since_seq=0) is None
    world.corpora.confirm_page_etag(world.corpus, "q1", "page-e", job.seq + 1)
    world.corpora.confirm_page_etag(world.corpus, "q1", "page-e", job.seq)  # comes late
    assert etag(world.corpus, "q1", since_seq=job.seq + 1) == "page-e"


def test_the_etag_of_a_checkpoint_is_as_old_as_its_run(world: World) -> None:
    world.start(0)
    checkpoint = world.corpora.checkpoint
    assert checkpoint(world.corpus, "comics", since_seq=1) == CHECKPOINTS["comics"]
    aged = CHECKPOINTS["comics"].model_copy(update={"etag": None})
    assert checkpoint(world.corpus, "comics", since_seq=2) == aged


def test_a_run_follows_the_newest_one_that_had_pages(world: World) -> None:
    first, second, third, fourth = (f"{world.run_id[:-1]}{letter}" for letter in "abcd")
    [job] = world.start(1, first)
    world.finish_page(job)
    for run_id in (second, third):
        world.start(0, run_id)
    [job] = world.start(1, fourth)
    runs = [world.runs.reader.get_run(run_id).run for run_id in (first, second, third, fourth)]
    assert [run.follows_seq for run in runs] == [0, *[runs[0].seq] * 3]
    world.runs.steering.request_cancel(fourth)
    world.runs.steering.finish_cancel(fourth)
    world.start(0, f"{world.run_id[:-1]}e")
    assert world.runs.reader.get_run(f"{world.run_id[:-1]}e").run.follows_seq == runs[3].seq


def test_a_run_of_no_pages_ends_at_once(world: World) -> None:
    world.start(0)
    assert world.runs.reader.get_run(world.run_id).run.status == "succeeded"


def test_an_etag_is_not_trusted_before_its_page_is_indexed(world: World) -> None:
    [job] = world.start(1)
    world.runs.ledger.record_stage(job, "fetch", {"raw_records": 2}, etag="page-e", query_hash="q2")
    assert world.corpora.page_etag(world.corpus, "q2", since_seq=0) is None


@pytest.mark.parametrize("outcome", ["failed", "gap", "cancelled"])
@pytest.mark.parametrize("stages_done", range(1, 5))
def test_an_etag_is_not_trusted_while_a_later_stage_of_its_page_failed(
    world: World, stages_done: int, outcome: PageOutcome
) -> None:
    [job] = world.start(1)
    record = world.runs.ledger.record_stage
    stages: list[Callable[[], bool]] = [
        lambda: record(job, "fetch", {"raw_records": 2}, etag="page-e", query_hash="q3"),
        lambda: record(job, "derive", {"entities": 2}),
        lambda: record(job, "chunker", {"chunks": 3}, parts=1),
        lambda: record(job, "embedder", {"vectors": 3}, part=0, parts=1),
        lambda: record(job, "indexer", {"shards": 1}, part=0, parts=1),
    ]
    for do in stages[:stages_done]:
        do()
    world.runs.ledger.end_page(job, outcome, "a later stage failed")
    assert world.corpora.page_etag(world.corpus, "q3", since_seq=0) is None
    for do in stages[stages_done:]:  # what was given up is sent again, and succeeds
        do()
    assert world.runs.reader.get_run(world.run_id).pages_done == 1
    assert world.corpora.page_etag(world.corpus, "q3", since_seq=0) == "page-e"


def test_a_gap_ends_the_run_incomplete_and_keeps_the_watermark(world: World) -> None:
    first, second = world.start(2)
    world.finish_page(first)
    world.runs.ledger.end_page(second, "gap", "429 for ever")
    progress = world.runs.reader.get_run(world.run_id)
    assert progress.run.status == "incomplete"
    assert progress.run.reason == "1 gaps and 0 failed pages of 2"
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()
    assert world.corpora.lease(world.corpus) is None


def test_a_redriven_page_turns_an_incomplete_run_into_a_succeeded_one(world: World) -> None:
    first, second = world.start(2)
    world.finish_page(first)
    world.runs.ledger.end_page(second, "failed", "poison")
    world.finish_page(second)
    progress = world.runs.reader.get_run(world.run_id)
    assert progress.run.status == "succeeded"
    assert (progress.pages_done, progress.pages_failed) == (2, 0)
    # The watermark stays: a page redriven late must not carry it behind a newer run's.
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()


def test_a_done_page_stays_done(world: World) -> None:
    [job] = world.start(1)
    world.finish_page(job)
    world.runs.ledger.end_page(job, "failed", "late")
    assert world.runs.reader.get_run(world.run_id).pages_failed == 0


def test_the_last_mark_may_be_an_early_stage(world: World) -> None:
    [job] = world.start(1)
    world.runs.ledger.record_stage(job, "embedder", {"vectors": 3}, part=0, parts=1)
    world.runs.ledger.record_stage(job, "indexer", {"shards": 1}, part=0, parts=1)
    world.runs.ledger.record_stage(job, "derive", {"entities": 2})
    world.runs.ledger.record_stage(job, "chunker", {"chunks": 3}, parts=1)
    assert world.runs.reader.get_run(world.run_id).run.status == "running"
    world.runs.ledger.record_stage(job, "fetch", {"raw_records": 2})
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.raw_records) == ("succeeded", 2)


def test_a_page_that_no_run_planned_is_refused(world: World) -> None:
    [job] = world.start(1)
    foreign = job.model_copy(update={"page_id": "comics-99999"})
    with pytest.raises(InvalidJobError, match="has no page comics-99999"):
        world.runs.ledger.record_stage(foreign, "fetch", {"raw_records": 1})
    assert world.runs.reader.get_run(world.run_id).raw_records == 0


def test_an_unknown_run_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.runs.reader.get_run("20261123T060000Z-ffffffff")


def test_planning_again_changes_nothing(world: World) -> None:
    [job] = world.start(1)
    world.runs.ledger.record_stage(job, "fetch", {"raw_records": 2})
    world.start(1)
    assert world.runs.ledger.is_recorded(job, "fetch")
    assert world.runs.reader.get_run(world.run_id).raw_records == 2


def test_a_part_of_which_nothing_is_new_is_embedded_and_indexed_at_once(world: World) -> None:
    [job] = world.start(1)
    world.runs.ledger.record_stage(job, "fetch", {})
    world.runs.ledger.record_stage(job, "derive", {})
    world.runs.ledger.record_stage(job, "chunker", {"chunks": 3}, parts=1)
    counts = {"vectors": 0, "chunks_unchanged": 3}
    assert world.runs.ledger.record_part_without_shard(job, counts, part=0, parts=1)
    assert not world.runs.ledger.record_part_without_shard(job, counts, part=0, parts=1)
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.vectors, progress.shards) == ("succeeded", 0, 0)
    assert progress.chunks_unchanged == 3


def test_indexed_origins_are_those_with_the_mark_of_the_indexer(world: World) -> None:
    first, second = world.start(2)
    world.finish_page(first, parts=2)
    world.runs.ledger.record_stage(second, "embedder", {}, part=0, parts=1)
    origins = {f"{world.run_id}/comics-0000{page}/{part}" for page in (0, 1) for part in (0, 1)}
    others = {f"{world.run_id}/sweep/0", "compact/0123", "elsewhere", ""}
    found = world.runs.ledger.indexed_origins(origins | others)
    assert found == {f"{world.run_id}/comics-00000/0", f"{world.run_id}/comics-00000/1"}


def full_run(world: World, pages: int = 2) -> list[PageJob]:
    jobs = world.start(pages, mode="full")
    for job in jobs:
        world.finish_page(job)
    return jobs


def test_a_full_run_asks_for_a_sweep_and_ends_with_it(world: World) -> None:
    jobs = full_run(world)
    assert world.sweeps == [world.run_id]
    assert world.runs.reader.get_run(world.run_id).run.status == "running"
    assert world.runs.endings.awaits_sweep(world.run_id)
    world.runs.ledger.end_page_if_complete(jobs[0])  # as every redelivery does
    assert world.sweeps == [world.run_id] * 2
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()

    for _ in range(2):
        world.runs.endings.finish_sweep(world.run_id, 7)
        progress = world.runs.reader.get_run(world.run_id)
        assert (progress.run.status, progress.entities_deleted) == ("succeeded", 7)
    assert world.corpora.lease(world.corpus) is None
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == CHECKPOINTS["comics"]
    world.runs.ledger.end_page_if_complete(jobs[0])
    assert len(world.sweeps) == 2
    assert not world.runs.endings.awaits_sweep(world.run_id)


def test_a_full_run_of_no_pages_is_swept_too(world: World) -> None:
    world.start(0, mode="full")
    assert world.sweeps == [world.run_id]


def test_an_incremental_run_is_never_swept(world: World) -> None:
    [job] = world.start(1)
    world.finish_page(job)
    assert world.sweeps == []
    world.runs.endings.finish_sweep(world.run_id, 5)
    assert world.runs.reader.get_run(world.run_id).entities_deleted == 0


def test_a_full_run_with_a_gap_is_swept_when_the_gap_is_closed(world: World) -> None:
    first, second = world.start(2, mode="full")
    world.finish_page(first)
    world.runs.ledger.end_page(second, "gap", "429")
    assert world.sweeps == []
    assert not world.runs.endings.awaits_sweep(world.run_id)
    assert world.runs.reader.get_run(world.run_id).run.status == "incomplete"
    world.finish_page(second)
    assert set(world.sweeps) == {world.run_id}
    assert world.runs.reader.get_run(world.run_id).run.status == "incomplete"
    world.runs.endings.finish_sweep(world.run_id, 1)
    assert world.runs.reader.get_run(world.run_id).run.status == "succeeded"
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()


def test_a_sweep_that_stopped_itself_leaves_the_run_incomplete_for_good(world: World) -> None:
    jobs = full_run(world)
    world.runs.endings.finish_sweep(world.run_id, 0, status="incomplete", reason="too many")
    world.runs.ledger.end_page_if_complete(jobs[0])
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.run.reason) == ("incomplete", "too many")
    assert len(world.sweeps) == 1
    assert world.corpora.lease(world.corpus) is None
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()


def test_of_two_sweeps_at_once_the_first_to_finish_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job] = world.start(1, mode="full")
    world.runs.ledger.end_page(job, "gap", "429")
    world.finish_page(job)
    world.runs.endings.finish_sweep(world.run_id, 0, status="incomplete", reason="too many")
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.run.reason) == ("incomplete", "too many")
    assert not world.runs.endings.awaits_sweep(world.run_id)
    # The other one had asked before the first one finished.
    monkeypatch.setattr(world.runs.endings, "awaits_sweep", lambda _: True)
    world.runs.endings.finish_sweep(world.run_id, 5)
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.entities_deleted) == ("incomplete", 0)


def test_a_sweep_given_up_may_be_redriven(world: World) -> None:
    full_run(world)
    world.runs.endings.give_up_sweep(world.run_id, "sweep: CORRUPT_OBJECT: …")
    assert world.runs.reader.get_run(world.run_id).run.status == "incomplete"
    assert world.corpora.lease(world.corpus) is None
    assert world.runs.endings.awaits_sweep(world.run_id)
    world.runs.endings.finish_sweep(world.run_id, 3, reason="said so")
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 3)
    assert progress.run.reason == "said so"


def test_a_sweep_after_the_run_was_closed_as_abandoned_ends_nothing(world: World) -> None:
    full_run(world)
    world.now += timedelta(seconds=3601)
    next_run = world.run_id.replace("T06", "T08")
    assert world.corpora.close_abandoned_run(world.corpus, next_run, world.runs) == world.run_id
    world.runs.endings.finish_sweep(world.run_id, 3)
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.entities_deleted) == ("failed", 0)


def test_a_run_without_its_lease_moves_no_watermark(world: World) -> None:
    full_run(world)
    world.corpora.release_lease(world.corpus, world.run_id)
    world.corpora.acquire_lease(world.corpus, "restore-1", 60)
    world.runs.endings.finish_sweep(world.run_id, 3)
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.entities_deleted) == ("succeeded", 3)
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()
    held = world.corpora.lease(world.corpus)
    assert held is not None
    assert held.run_id == "restore-1"


def test_forgotten_progress_leaves_the_rest_of_a_corpus(world: World) -> None:
    [job] = world.start(1)
    world.finish_page(job)
    world.corpora.forget_progress(world.corpus)
    assert world.corpora.checkpoint(world.corpus, "comics", since_seq=0) == EndpointCheckpoint()
    assert world.corpora.page_etag(world.corpus, "q1", since_seq=0) is None
    assert world.corpora.latest_run(world.corpus) == PlannedRun(world.run_id, 1)


def test_one_live_run_a_corpus(world: World) -> None:
    world.start(1)
    with pytest.raises(LeaseHeldError, match=world.run_id):
        world.corpora.acquire_lease(world.corpus, "20261123T070000Z-00000000", 60)


def test_a_lease_is_renewed_for_no_less_than_it_was_taken_for(world: World) -> None:
    world.start(1)
    world.corpora.acquire_lease(world.corpus, world.run_id, 60)
    lease = world.corpora.lease(world.corpus)
    assert lease is not None
    assert lease.lifetime_seconds == 3600
    # That it has expired is no reason: a run that still moves has its lease extended only then.
    world.now += timedelta(seconds=3601)
    world.corpora.acquire_lease(world.corpus, world.run_id, 60)
    lease = world.corpora.lease(world.corpus)
    assert lease is not None
    assert lease.lifetime_seconds == 3600
    assert lease.expires_at == int(world.now.timestamp()) + 3600
    world.corpora.acquire_lease(world.corpus, world.run_id, 7200)
    lease = world.corpora.lease(world.corpus)
    assert lease is not None
    assert lease.lifetime_seconds == 7200


def test_an_expired_lease_is_taken_only_from_a_run_that_was_closed(world: World) -> None:
    """Else a lease that expires between the two looks at it is taken from a run that moves."""
    [job] = world.start(1)
    next_run = world.run_id.replace("T06", "T08")
    world.now += timedelta(seconds=3599)
    world.runs.ledger.record_stage(job, "fetch", {"raw_records": 1})
    assert world.corpora.close_abandoned_run(world.corpus, next_run, world.runs) is None
    world.now += timedelta(seconds=2)
    with pytest.raises(LeaseHeldError, match=world.run_id):
        world.corpora.acquire_lease(world.corpus, next_run, 60)
    assert world.corpora.close_abandoned_run(world.corpus, next_run, world.runs) is None
    with pytest.raises(LeaseHeldError, match=world.run_id):
        world.corpora.acquire_lease(world.corpus, next_run, 60)


def test_a_corpus_held_by_what_is_no_run_is_given_back_when_its_lease_expires(world: World) -> None:
    world.corpora.acquire_lease(world.corpus, "restore-1", 60)
    world.now += timedelta(seconds=59)
    assert world.corpora.close_abandoned_run(world.corpus, world.run_id, world.runs) is None
    with pytest.raises(LeaseHeldError, match="restore-1"):
        world.start(1)
    world.now += timedelta(seconds=1)
    assert world.corpora.close_abandoned_run(world.corpus, world.run_id, world.runs) is None
    world.start(1)


def test_a_lease_that_outlived_its_run_is_given_back(world: World) -> None:
    """A sweep that was redriven long after its run ended, and whose worker died, leaves one."""
    world.start(0)
    world.corpora.acquire_lease(world.corpus, world.run_id, 60)
    world.now += timedelta(seconds=60)
    next_run = world.run_id.replace("T06", "T08")
    assert world.corpora.close_abandoned_run(world.corpus, next_run, world.runs) is None
    assert world.runs.reader.get_run(world.run_id).run.status == "succeeded"
    world.corpora.acquire_lease(world.corpus, next_run, 60)


def test_a_run_that_renews_its_lease_while_it_is_closed_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start(2)
    world.now += timedelta(seconds=3601)
    last_progress = world.runs.reader.last_progress

    def resumed_meanwhile(run_id: str) -> datetime | None:
        found = last_progress(run_id)
        world.runs.steering.go_on(run_id, 3600)
        return found

    monkeypatch.setattr(world.runs.reader, "last_progress", resumed_meanwhile)
    next_run = world.run_id.replace("T06", "T08")
    with pytest.raises(ConflictError, match="by another process meanwhile"):
        world.corpora.close_abandoned_run(world.corpus, next_run, world.runs)
    progress = world.runs.reader.get_run(world.run_id)
    assert (progress.run.status, progress.pages_failed) == ("running", 0)
    lease = world.corpora.lease(world.corpus)
    assert lease is not None
    assert (lease.run_id, lease.expires_at) == (world.run_id, int(world.now.timestamp()) + 3600)


def test_a_run_whose_pages_have_ended_is_not_closed_after_it_renews_its_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_run(world)
    world.now += timedelta(seconds=3601)
    last_progress = world.runs.reader.last_progress

    def renewed_meanwhile(run_id: str) -> datetime | None:
        found = last_progress(run_id)
        world.corpora.acquire_lease(world.corpus, run_id, 3600)
        return found

    monkeypatch.setattr(world.runs.reader, "last_progress", renewed_meanwhile)
    next_run = world.run_id.replace("T06", "T08")
    with pytest.raises(ConflictError, match="renewed its lease"):
        world.corpora.close_abandoned_run(world.corpus, next_run, world.runs)
    assert world.runs.endings.awaits_sweep(world.run_id)


def test_a_crashed_run_never_blocks_the_next(world: World) -> None:
    first, second = world.start(2)
    world.finish_page(first)
    next_run = world.run_id.replace("T06", "T08")
    assert world.corpora.close_abandoned_run(world.corpus, next_run, world.runs) is None
    world.now += timedelta(seconds=3601)
    assert world.corpora.close_abandoned_run(world.corpus, next_run, world.runs) == world.run_id
    progress = world.runs.reader.get_run(world.run_id)
    assert progress.run.status == "failed"
    assert (progress.pages_done, progress.pages_failed) == (1, 1)
    world.corpora.acquire_lease(world.corpus, next_run, 60)
    # What was still under way may end well later, and is then counted as done.
    world.finish_page(second)
    assert world.runs.reader.get_run(world.run_id).pages_done == 2
    held = world.corpora.lease(world.corpus)
    assert held is not None
    assert held.run_id == next_run


Mark = tuple[int, StageName, int | None]
PAGES, PARTS = 3, 2
WHOLE: tuple[StageName, ...] = ("fetch", "derive", "chunker")
PARTED: tuple[StageName, ...] = ("embedder", "indexer")
ALL_MARKS: list[Mark] = [
    *((page, stage, None) for page in range(PAGES) for stage in WHOLE),
    *((page, stage, n) for page in range(PAGES) for stage in PARTED for n in range(PARTS)),
]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(ALL_MARKS * 2), failures=st.sets(st.integers(0, PAGES - 1)))
def test_counters_are_exact_in_any_order_and_number_of_deliveries(
    world: World, order: list[Mark], failures: set[int]
) -> None:
    world.fresh()
    jobs = world.start(PAGES)
    for page in failures:
        world.runs.ledger.end_page(jobs[page], "failed", "poison")
    for page, stage, part in order:
        parts = None if stage in {"fetch", "derive"} else PARTS
        world.runs.ledger.record_stage(jobs[page], stage, {"vectors": 1}, part=part, parts=parts)
        progress = world.runs.reader.get_run(world.run_id)
        ended = progress.pages_done + progress.pages_failed
        assert ended <= PAGES
        assert progress.is_ended == (ended == PAGES)
    progress = world.runs.reader.get_run(world.run_id)
    assert progress.run.status == "succeeded"
    assert progress.pages_done == PAGES
    assert progress.vectors == len(ALL_MARKS)


def test_counters_are_exact_under_threads(world: World) -> None:
    jobs = world.start(8)
    work = [job for job in jobs for _ in range(2)]
    threads = [threading.Thread(target=world.finish_page, args=(job, 2)) for job in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress = world.runs.reader.get_run(world.run_id)
    assert progress.run.status == "succeeded"
    assert (progress.pages_done, progress.raw_records, progress.vectors) == (8, 16, 48)
