"""Two that end, close or take up one run at once: no page stays open, and each counts once."""

from typing import cast

import pytest

from shared.models.jobs import DeriveJob, PageJob
from shared.models.run import EndpointCheckpoint
from tests.integration.line.interleaved import after_next, after_next_read, before_next
from tests.integration.line.run_of_pages import Line
from tests.integration.line.steered import broken_run, cut_off_retry, half_done, take_one


def test_a_page_that_is_done_while_its_run_is_closed_stays_done(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = half_done(line)
    (job,) = cast(list[DeriveJob], line.derive.take())
    before_next(monkeypatch, line.runs.steering, "_move_pages", lambda: line.finish(job))
    line.runs.steering.fail_run(run_id, "it stood still")
    progress = line.assert_exact(run_id)
    assert (progress.pages_done, progress.pages_failed) == (2, 1)


def test_a_page_that_joins_a_run_while_it_is_closed_is_closed_too(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.source.follows = {"c": ["d"]}
    run_id = half_done(line)
    last = take_one(line)
    before_next(monkeypatch, line.runs.steering, "_move_pages", lambda: line.fetch(last))
    line.runs.steering.fail_run(run_id, "it stood still")
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_failed) == ("failed", 3)
    assert line.outcomes(run_id)["d"] == "failed"


def test_a_run_that_is_closed_as_it_is_about_to_succeed_stays_closed(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = line.start().run_id
    last = take_one(line)
    line.work()
    line.fetch(last)

    def close() -> None:
        line.runs.steering.fail_run(run_id, "it stood still")

    after_next(monkeypatch, line.runs.endings, "due_ending", close)
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.run.reason) == ("failed", "it stood still")
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == EndpointCheckpoint()


def test_a_gap_that_is_closed_while_its_run_is_reopened_counts_once(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = broken_run(line)
    (gap,) = [page for page in line.runs.reader.pages(run_id) if page["outcome"] == "gap"]
    line.source.broken = set()

    def read_late() -> None:
        line.fetch(PageJob.model_validate_json(gap["job"]))
        line.work()

    before_next(monkeypatch, line.runs.steering, "_move_pages", read_late)
    assert line.steer("retry_gaps", run_id).status == "succeeded"
    progress = line.assert_exact(run_id)
    assert (progress.pages_done, progress.pages_gap) == (3, 0)


def test_gaps_that_are_taken_up_while_their_run_is_cancelled_end_with_it(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_retry(line, monkeypatch)
    # The cancel has looked at the counters when the retry goes on.
    after_next(
        monkeypatch, line.runs.endings, "due_ending", lambda: line.runs.steering.reopen_run(run_id)
    )
    line.steer("cancel", run_id)
    progress = line.assert_exact(run_id)
    assert progress.run.status == "cancelled"
    assert (progress.pages_gap, progress.pages_cancelled) == (0, 1)


def test_a_run_whose_gaps_are_taken_up_while_it_is_read_stays_open(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = broken_run(line)
    line.source.broken = set()

    def retry() -> None:
        line.steer("retry_gaps", run_id)

    after_next_read(monkeypatch, line.runs.reader._table, retry)
    line.runs.endings.end_run_if_complete(run_id)  # as every redelivery does
    assert line.assert_exact(run_id).run.status == "running"
    line.work()
    assert line.assert_exact(run_id).run.status == "succeeded"
