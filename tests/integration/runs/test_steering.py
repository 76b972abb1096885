"""Cancelling, resuming and retrying runs; who may hold a corpus, and for how long."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import ConflictError, LeaseHeldError, NotFoundError
from shared.models.jobs import DeriveJob, PageJob
from shared.models.run import EndpointCheckpoint
from shared.runs.cancelled_runs import FRESH_SECONDS
from shared.runs.run_writes import PAGES_AT_ONCE
from shared.sources.base import PlannedPage
from tests.integration.line.run_of_pages import CHECKPOINT, Death, Line, WorkerDiedError
from tests.integration.line.steered import (
    UNKNOWN,
    broken_run,
    cut_off_retry,
    cut_off_while_planning,
    die,
    half_done,
    take_one,
)

# Cancelling


def test_a_cancelled_run_ends_at_once_and_frees_the_corpus(line: Line) -> None:
    run_id = half_done(line)
    summary = line.steer("cancel", run_id)
    assert summary.status == "cancelled"
    progress = line.assert_exact(run_id)
    assert (progress.pages_done, progress.pages_cancelled) == (1, 2)
    assert progress.run.reason == "cancelled; 2 pages were not finished"
    assert line.state.lease(line.corpus) is None
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == EndpointCheckpoint()
    assert line.start("another").status == "running"


def test_queued_work_of_a_cancelled_run_is_dropped(line: Line) -> None:
    run_id = half_done(line)
    line.steer("cancel", run_id)
    line.now += timedelta(seconds=FRESH_SECONDS)
    line.work()
    assert line.source.fetched == ["a", "b"]
    progress = line.assert_exact(run_id)
    assert (progress.raw_records, progress.entities) == (2, 1)


def test_a_worker_learns_of_a_cancel_within_five_seconds(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = line.start().run_id
    assert not line.runs.cancelled.has(run_id)
    asked: list[str] = []
    get = line.runs.reader._table.get

    def counted(pk: str, sk: str) -> object:
        asked.append(pk)
        return get(pk, sk)

    line.steer("cancel", run_id)
    monkeypatch.setattr(line.runs.reader._table, "get", counted)
    line.now += timedelta(seconds=FRESH_SECONDS, milliseconds=-1)
    assert not line.runs.cancelled.has(run_id)
    assert asked == [], "a worker asks every five seconds at most"
    line.now += timedelta(milliseconds=1)
    assert line.runs.cancelled.has(run_id)
    line.now += timedelta(days=1)
    assert line.runs.cancelled.has(run_id)
    assert len(asked) == 1
    assert not line.runs.cancelled.has(UNKNOWN)


def test_who_finishes_late_has_done_the_page_all_the_same(line: Line) -> None:
    run_id = half_done(line)
    (job,) = cast(list[DeriveJob], line.derive.take())
    line.runs.ledger.record_stage(job, "derive", {"entities": 1})
    line.steer("cancel", run_id)
    line.runs.ledger.record_stage(job, "chunker", {}, parts=0)
    progress = line.assert_exact(run_id)
    assert (progress.pages_done, progress.pages_cancelled) == (2, 1)
    assert progress.run.status == "cancelled"
    line.runs.ledger.end_page(job, "failed", "late")
    assert line.assert_exact(run_id).pages_failed == 0


def test_the_last_page_of_a_run_that_is_being_cancelled_ends_it_cancelled(line: Line) -> None:
    line.source.planned = ["a"]
    run_id = line.start(mode="full").run_id
    line.fetch(take_one(line))
    line.runs.steering.request_cancel(run_id)
    (job,) = cast(list[DeriveJob], line.derive.take())
    line.runs.ledger.record_stage(job, "derive", {"entities": 1})
    line.runs.ledger.record_stage(job, "chunker", {}, parts=0)
    assert line.assert_exact(run_id).run.status == "cancelled"
    assert line.sweeps == []
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == EndpointCheckpoint()
    assert line.state.lease(line.corpus) is None


def test_a_run_that_waits_for_its_sweep_can_be_cancelled(line: Line) -> None:
    run_id = line.start(mode="full").run_id
    line.work()
    assert line.runs.endings.awaits_sweep(run_id)
    assert line.steer("cancel", run_id).status == "cancelled"
    assert not line.runs.endings.awaits_sweep(run_id)
    line.runs.endings.finish_sweep(run_id, 5)
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.entities_deleted) == ("cancelled", 0)


def test_a_cancel_that_comes_as_the_run_is_about_to_end_counts(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = line.start().run_id
    due_ending = line.runs.endings.due_ending

    def cancelled_meanwhile(*arguments: Any) -> Any:
        due = due_ending(*arguments)
        if due is not None and due[0] == "succeeded":
            line.runs.steering.request_cancel(run_id)
        return due

    monkeypatch.setattr(line.runs.endings, "due_ending", cancelled_meanwhile)
    line.work()
    assert line.assert_exact(run_id).run.status == "cancelled"
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == EndpointCheckpoint()


def test_no_page_joins_a_cancelled_run(line: Line) -> None:
    line.source.follows = {"a": ["d"]}
    run_id = line.start().run_id
    line.runs.steering.request_cancel(run_id)
    line.fetcher.fetch(take_one(line))  # a worker that had not heard of it
    assert line.derive.jobs == []
    line.steer("cancel", run_id)
    assert set(line.outcomes(run_id).values()) == {"cancelled"}
    assert set(line.outcomes(run_id)) == {"a", "b", "c"}


def test_a_run_is_cancelled_while_it_is_planned(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = line.source.plan

    def cancelled_meanwhile(*arguments: object) -> object:
        (progress,) = line.runs.reader.list_runs(line.corpus)
        assert line.steer("cancel", progress.run.run_id).status == "cancelled"
        return plan(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(line.source, "plan", cancelled_meanwhile)
    summary = line.start()
    assert (summary.status, summary.pages_planned) == ("cancelled", 0)
    assert line.pages.jobs == []
    assert line.state.lease(line.corpus) is None


def test_a_cancel_between_planning_and_running_ends_the_run(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = line.pages.publish

    def cancelled_meanwhile(jobs: list[PageJob]) -> None:
        publish(jobs)
        (progress,) = line.runs.reader.list_runs(line.corpus)
        line.runs.steering.request_cancel(progress.run.run_id)

    monkeypatch.setattr(line.pages, "publish", cancelled_meanwhile)
    summary = line.start()
    assert summary.status == "cancelled"
    assert line.assert_exact(summary.run_id).pages_cancelled == 3


@pytest.mark.parametrize("is_after", [False, True])
def test_cancelling_again_finishes_a_cancel_that_was_cut_off(
    line: Line, monkeypatch: pytest.MonkeyPatch, *, is_after: bool
) -> None:
    run_id = half_done(line)

    def cancel() -> None:
        try:
            line.steer("cancel", run_id)
        finally:  # wherever it was cut off, the counters say what the pages say
            line.assert_exact(run_id)

    with monkeypatch.context() as patch:
        death = Death(patch, line)
        assert death.until_it_lives(cancel, is_after=is_after) > 1
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_cancelled) == ("cancelled", 2)
    assert line.steer("cancel", run_id).status == "cancelled"


def test_a_cancel_that_was_cut_off_ends_so_when_its_lease_has_expired(line: Line) -> None:
    run_id = half_done(line)
    line.runs.steering.request_cancel(run_id)
    line.now += timedelta(hours=2)
    assert line.start("another").status == "running"
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_cancelled) == ("cancelled", 2)


def test_many_pages_are_cancelled_together(line: Line) -> None:
    line.source.planned = [f"p{number}" for number in range(3 * PAGES_AT_ONCE)]
    run_id = line.start().run_id
    line.steer("cancel", run_id)
    assert line.assert_exact(run_id).pages_cancelled == 3 * PAGES_AT_ONCE


def test_a_run_that_has_ended_is_not_cancelled(line: Line) -> None:
    run_id = line.start().run_id
    line.work()
    with pytest.raises(ConflictError, match=r"has ended already \(succeeded\)"):
        line.steer("cancel", run_id)
    assert line.assert_exact(run_id).run.status == "succeeded"


@pytest.mark.parametrize("action", ["cancel", "resume", "retry_gaps"])
def test_an_unknown_run_is_not_found(line: Line, action: str) -> None:
    with pytest.raises(NotFoundError, match=UNKNOWN):
        line.steer(action, UNKNOWN)


# Resuming


def test_a_run_whose_planning_was_cut_off_is_planned_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_while_planning(line, monkeypatch)
    # Pages may have been read since the first plan: what changes from then on is still to come.
    line.source.checkpoint = EndpointCheckpoint(last_modified="2026-11-23T07:00:00Z")
    assert line.steer("resume", run_id).status == "running"
    line.work()
    assert line.assert_exact(run_id).run.status == "succeeded"
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == CHECKPOINT


def test_a_running_run_is_resumed_at_its_first_unfetched_page(line: Line) -> None:
    run_id = half_done(line)
    line.pages.take()  # lost
    assert line.steer("resume", run_id).status == "running"
    assert [cast(PageJob, job).page_id for job in line.pages.jobs] == ["c"]
    line.steer("resume", run_id)
    line.work()
    assert line.source.fetched == ["a", "b", "c"]
    assert line.assert_exact(run_id).run.status == "succeeded"


def test_a_resumed_run_holds_its_corpus_anew(line: Line) -> None:
    run_id = half_done(line)
    line.now += timedelta(minutes=59)
    line.steer("resume", run_id)
    line.now += timedelta(minutes=59)
    assert line.start("another").status == "busy"


def lose_corpus(line: Line) -> None:
    """Give the corpus of the live run to another holder."""
    lease = line.state.lease(line.corpus)
    assert lease is not None
    line.state.release_lease(line.corpus, lease.run_id)
    line.state.acquire_lease(line.corpus, "restore-1", 600)


def test_a_run_that_lost_its_corpus_is_not_resumed(line: Line) -> None:
    run_id = half_done(line)
    lose_corpus(line)
    with pytest.raises(ConflictError, match=f"run {run_id} has lost corpus"):
        line.steer("resume", run_id)


def test_a_run_that_has_ended_is_not_resumed(line: Line) -> None:
    run_id = broken_run(line)
    with pytest.raises(ConflictError, match=f"`ultron run retry-gaps {run_id}`"):
        line.steer("resume", run_id)


def test_a_run_that_is_being_cancelled_is_not_resumed(line: Line) -> None:
    run_id = half_done(line)
    line.runs.steering.request_cancel(run_id)
    with pytest.raises(ConflictError, match=f"`ultron run cancel {run_id}` finishes that"):
        line.steer("resume", run_id)


# Gaps


def test_gaps_are_listed_with_what_was_asked_and_why_it_was_not_given(line: Line) -> None:
    (gap,) = line.runs.reader.gaps(broken_run(line))
    assert (gap.page_id, gap.endpoint, gap.query) == ("b", "list", {"page": "b"})
    assert gap.reason == "SOURCE_UNAVAILABLE: b answered 503"


def let_a_twin_be_first(line: Line, patch: pytest.MonkeyPatch, action: str, run_id: str) -> None:
    """Have another of the same request see the run to its end before this one holds the corpus."""
    acquire = line.state.acquire_lease

    def late(*arguments: Any) -> None:
        patch.setattr(line.state, "acquire_lease", acquire)
        line.steer(action, run_id)
        line.work()
        acquire(*arguments)

    patch.setattr(line.state, "acquire_lease", late)


def test_a_retry_that_does_not_hold_its_corpus_takes_up_nothing(line: Line) -> None:
    run_id = broken_run(line)
    line.state.acquire_lease(line.corpus, "restore-1", 600)
    with pytest.raises(ConflictError, match="another run has begun"):
        line.runs.steering.reopen_run(run_id)
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_gap) == ("incomplete", 1)


def test_gaps_of_a_run_of_another_model_are_not_retried(line: Line) -> None:
    run_id = broken_run(line)
    line.planner = replace(line.planner, models=ModelPrefixes("models/other/1/"))
    with pytest.raises(
        ConflictError, match=r"began before the model of .* changed; start a new run"
    ):
        line.steer("retry_gaps", run_id)
    assert line.state.lease(line.corpus) is None


def test_gaps_that_a_twin_has_retried_keep_no_lease(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = broken_run(line)
    line.source.broken = set()
    let_a_twin_be_first(line, monkeypatch, "retry_gaps", run_id)
    with pytest.raises(ConflictError):
        line.steer("retry_gaps", run_id)
    assert line.assert_exact(run_id).run.status == "succeeded"
    assert line.state.lease(line.corpus) is None


def test_a_run_that_a_twin_has_resumed_keeps_no_lease(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_while_planning(line, monkeypatch)
    let_a_twin_be_first(line, monkeypatch, "resume", run_id)
    line.steer("resume", run_id)
    assert line.assert_exact(run_id).run.status == "succeeded"
    assert line.state.lease(line.corpus) is None


def test_retried_gaps_turn_the_run_into_a_succeeded_one(line: Line) -> None:
    run_id = broken_run(line)
    line.source.broken = set()
    summary = line.steer("retry_gaps", run_id)
    assert summary.status == "running"
    progress = line.assert_exact(run_id)
    assert (progress.pages_gap, progress.run.reason, progress.run.ended_at) == (0, None, None)
    assert line.start("another").status == "busy"
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 3)
    assert line.source.fetched.count("a") == 1
    # No newer run began, so the watermark moves as if there had been no gap.
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == CHECKPOINT
    assert line.state.lease(line.corpus) is None


def test_a_full_run_is_swept_when_its_gaps_are_closed(line: Line) -> None:
    line.source.broken = {"b"}
    run_id = line.start(mode="full").run_id
    line.work()
    assert line.sweeps == []
    line.source.broken = set()
    line.steer("retry_gaps", run_id)
    line.work()
    assert set(line.sweeps) == {run_id}
    line.runs.endings.finish_sweep(run_id, 0)
    assert line.assert_exact(run_id).run.status == "succeeded"
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == CHECKPOINT


def test_a_gap_that_stays_ends_the_run_incomplete_again(line: Line) -> None:
    run_id = broken_run(line)
    line.steer("retry_gaps", run_id)
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_gap) == ("incomplete", 1)
    assert line.state.lease(line.corpus) is None


def test_a_retried_gap_goes_on_with_its_chain(line: Line) -> None:
    line.source.follows = {"b": ["d"], "d": ["e"]}
    run_id = broken_run(line)
    line.source.broken = {"d"}
    line.steer("retry_gaps", run_id)
    line.work()
    line.source.broken = set()
    line.steer("retry_gaps", run_id)
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 5)


@pytest.mark.parametrize("is_after", [False, True])
def test_retrying_again_finishes_what_was_cut_off(
    line: Line, monkeypatch: pytest.MonkeyPatch, *, is_after: bool
) -> None:
    run_id = broken_run(line)
    line.source.broken = set()

    def retry() -> None:
        line.steer("retry_gaps", run_id)

    with monkeypatch.context() as patch:
        death = Death(patch, line)
        assert death.until_it_lives(retry, is_after=is_after) > 2
    line.assert_exact(run_id)
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 3)


def test_a_retry_that_was_cut_off_does_not_end_before_its_gaps_are_read(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_retry(line, monkeypatch)
    line.runs.endings.end_run_if_complete(run_id)  # as every redelivery does
    assert line.progress(run_id).run.status == "running"
    line.steer("resume", run_id)
    line.work()
    assert line.assert_exact(run_id).run.status == "succeeded"


def test_a_retry_that_was_cut_off_does_not_block_the_next_run_for_long(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_retry(line, monkeypatch)
    line.now += timedelta(seconds=331)
    assert line.start("another").status == "running"
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_gap) == ("failed", 1)
    with pytest.raises(ConflictError, match="is failed; only the gaps of an incomplete run"):
        line.steer("retry_gaps", run_id)


def test_a_retry_that_was_cut_off_can_be_cancelled(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_retry(line, monkeypatch)
    assert line.steer("cancel", run_id).status == "cancelled"
    assert line.assert_exact(run_id).pages_gap == 1


def test_a_retry_whose_run_was_cancelled_meanwhile_takes_up_nothing(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = broken_run(line)
    move_pages = line.runs.steering._move_pages

    def cancelled_meanwhile(*arguments: Any) -> None:
        monkeypatch.undo()
        line.steer("cancel", run_id)
        move_pages(*arguments)

    monkeypatch.setattr(line.runs.steering, "_move_pages", cancelled_meanwhile)
    with pytest.raises(ConflictError, match="was changed by another process meanwhile"):
        line.steer("retry_gaps", run_id)
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_gap) == ("cancelled", 1)


def test_only_the_newest_run_retries_its_gaps(line: Line) -> None:
    old = broken_run(line)
    line.now += timedelta(seconds=1)
    line.source.broken = set()
    new = line.start("another").run_id
    with pytest.raises(ConflictError, match=f"run {new} of {line.corpus} is newer"):
        line.steer("retry_gaps", old)
    line.work()
    with pytest.raises(ConflictError, match="is succeeded; only the gaps of an incomplete run"):
        line.steer("retry_gaps", new)


def test_gaps_wait_while_somebody_else_holds_the_corpus(line: Line) -> None:
    run_id = broken_run(line)
    line.state.acquire_lease(line.corpus, "restore-1", 600)
    with pytest.raises(LeaseHeldError, match="restore-1"):
        line.steer("retry_gaps", run_id)
    assert line.assert_exact(run_id).run.status == "incomplete"


def test_a_run_without_gaps_has_none_to_retry(line: Line) -> None:
    run_id = line.start().run_id
    for job in cast(list[PageJob], line.pages.take()):
        line.runs.ledger.end_page(job, "failed", "poison")
    with pytest.raises(ConflictError, match=r"no gaps, and 3 failed pages; `ultron dlq redrive`"):
        line.steer("retry_gaps", run_id)


def test_loops_are_not_retried(line: Line) -> None:
    line.source.follows = {"a": ["a"]}
    run_id = line.start().run_id
    line.work()
    with pytest.raises(ConflictError, match=r"all gaps of run .* are loops"):
        line.steer("retry_gaps", run_id)
    assert line.state.lease(line.corpus) is None


def test_a_loop_stays_a_gap_when_others_are_retried(line: Line) -> None:
    line.source.follows = {"a": ["a"]}
    run_id = broken_run(line)
    line.source.broken = set()
    line.steer("retry_gaps", run_id)
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done, progress.pages_gap) == ("incomplete", 3, 1)


# Leases


def test_a_planner_that_was_killed_blocks_nobody_for_long(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(line.source, "plan", die)
        with pytest.raises(WorkerDiedError):
            line.start()
    line.now += timedelta(seconds=329)
    assert line.start("another").status == "busy"
    line.now += timedelta(seconds=1)
    assert line.start("another").status == "running"
    newest, killed = line.runs.reader.list_runs(line.corpus)
    assert (newest.run.status, killed.run.status) == ("running", "failed")


def test_a_run_that_still_moves_is_not_abandoned(line: Line) -> None:
    run_id = line.start().run_id
    for _ in range(2):
        line.now += timedelta(minutes=59)
        line.fetch(take_one(line))
    assert line.start("another").status == "busy"
    line.now += timedelta(minutes=59)
    assert line.start("another").status == "busy"
    lease = line.state.lease(line.corpus)
    assert lease is not None
    assert lease.run_id == run_id
    line.now += timedelta(minutes=1)
    assert line.start("another").status == "running"
    assert line.assert_exact(run_id).run.status == "failed"


def test_a_run_that_a_twin_of_its_request_has_ended_keeps_no_lease(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = line.state.acquire_lease

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(line.state, "acquire_lease", acquire)
        line.start()
        line.work()
        acquire(*arguments)

    monkeypatch.setattr(line.state, "acquire_lease", late)
    summary = line.start()
    assert line.assert_exact(summary.run_id).run.status == summary.status == "succeeded"
    assert line.state.lease(line.corpus) is None


def test_the_lease_of_a_run_that_ends_as_it_is_looked_at_is_not_extended(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.start()
    line.now += timedelta(minutes=59)
    line.fetch(take_one(line))
    line.now += timedelta(minutes=1)
    last_progress = line.runs.reader.last_progress

    def ended_since(run_id: str) -> Any:
        moved_at = last_progress(run_id)
        line.work()
        return moved_at

    monkeypatch.setattr(line.runs.reader, "last_progress", ended_since)
    assert line.state.close_abandoned_run(line.corpus, UNKNOWN, line.runs) is None
    assert line.state.lease(line.corpus) is None


def test_a_planner_that_was_closed_as_abandoned_ends_so(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = line.source.plan

    def too_slow(*arguments: object) -> object:
        line.now += timedelta(seconds=331)
        line.state.close_abandoned_run(line.corpus, "restore-1", line.runs)
        line.state.acquire_lease(line.corpus, "restore-1", 600)
        return plan(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(line.source, "plan", too_slow)
    summary = line.start()
    assert summary.status == "failed"
    assert summary.reason == "the run did not end before its lease expired"
    lease = line.state.lease(line.corpus)
    assert lease is not None
    assert lease.run_id == "restore-1"


def test_a_planner_that_lost_its_corpus_fails_its_run(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = line.source.plan

    def too_slow(*arguments: object) -> object:
        lose_corpus(line)
        return plan(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(line.source, "plan", too_slow)
    summary = line.start()
    assert summary.status == "failed"
    assert summary.reason is not None
    assert summary.reason.startswith(f"another run took corpus {line.corpus}")
    lease = line.state.lease(line.corpus)
    assert lease is not None
    assert lease.run_id == "restore-1"
    line.assert_exact(summary.run_id)


# Lists


def test_runs_are_listed_newest_first(line: Line) -> None:
    line.source.planned = []
    started = []
    for number in range(3):
        line.now += timedelta(minutes=1)
        started.append(line.start(f"request-{number}").run_id)
    listed = [progress.run.run_id for progress in line.runs.reader.list_runs(line.corpus)]
    assert listed == started[::-1]
    (newest,) = line.runs.reader.list_runs(line.corpus, limit=1)
    assert newest.run.run_id == started[-1]
    assert line.runs.reader.list_runs("no-such-corpus") == []


def test_a_list_of_runs_has_their_counters_and_asks_for_no_run_by_itself(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    for number in range(3):
        line.now += timedelta(minutes=1)
        started.append(line.start(f"request-{number}").run_id)
        line.work()
    expected = [line.progress(run_id) for run_id in started[::-1]]
    asked: list[str] = []
    query = line.runs.reader._table.query

    def counted(pk: str, *arguments: Any, **options: Any) -> Any:
        asked.append(pk)
        return query(pk, *arguments, **options)

    monkeypatch.setattr(line.runs.reader._table, "query", counted)
    monkeypatch.setattr(line.runs.reader._table, "get", lambda pk, _: asked.append(pk))
    assert line.runs.reader.list_runs(line.corpus) == expected
    assert [progress.pages_done for progress in expected] == [3, 3, 3]
    assert asked == [f"CORPUS#{line.corpus}"]


def test_a_plan_may_name_a_page_twice(line: Line) -> None:
    page = PlannedPage("list", "a", {"page": "a"})
    line.source.planned = [page.page_id, page.page_id]
    run_id = line.start().run_id
    line.work()
    assert line.assert_exact(run_id).pages_done == 1
