"""Planners that die, come late or cannot plan: one run of a request, and none that stays open."""

from datetime import timedelta

import pytest

from shared.errors import SourceUnavailableError
from shared.models.run import EndpointCheckpoint
from tests.integration.line.interleaved import before_next
from tests.integration.line.run_of_pages import Line, WorkerDiedError
from tests.integration.line.steered import cut_off_while_planning, die


def test_a_request_that_is_delivered_again_later_goes_on_with_its_run(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_while_planning(line, monkeypatch)
    line.now += timedelta(minutes=1)
    again = line.start()
    assert (again.run_id, again.status) == (run_id, "running")
    line.work()
    assert [progress.run.status for progress in line.runs.reader.list_runs(line.corpus)] == [
        "succeeded"
    ]


def test_pages_of_a_plan_that_was_cut_off_are_fetched_though_the_next_plan_lacks_them(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off_while_planning(line, monkeypatch)
    line.source.planned = ["a", "d"]
    assert line.start().run_id == run_id
    line.work()
    assert line.assert_exact(run_id).run.status == "succeeded"
    assert sorted(line.source.fetched) == ["a", "b", "c", "d"]


def test_a_run_without_pages_whose_planner_died_before_its_end_is_ended_by_its_request(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.source.planned = []
    with monkeypatch.context() as patch:
        patch.setattr(line.runs.endings, "end_run_if_complete", die)
        with pytest.raises(WorkerDiedError):
            line.start()
    assert line.start().status == "succeeded"
    assert line.state.lease(line.corpus) is None


def test_a_run_whose_source_cannot_be_planned_fails_and_frees_its_corpus(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> None:
        raise SourceUnavailableError("the list answered 503")

    with monkeypatch.context() as patch:
        patch.setattr(line.source, "plan", unavailable)
        summary = line.start()
    assert summary.status == "failed"
    assert summary.reason == "planning failed: SOURCE_UNAVAILABLE: the list answered 503"
    assert line.start("another").status == "running"


def test_a_planner_that_comes_late_leaves_a_run_that_was_closed_as_it_is(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_closed() -> None:
        line.now += timedelta(seconds=331)
        line.state.close_abandoned_run(line.corpus, "restore-1", line.runs)

    before_next(monkeypatch, line.source, "plan", be_closed)
    summary = line.start()
    assert summary.status == "failed"
    assert summary.reason == "the run did not end before its lease expired"
    assert line.state.lease(line.corpus) is None
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == EndpointCheckpoint()
