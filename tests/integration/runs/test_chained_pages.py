"""Pages that only another page tells of: they join the run once, and the run waits for them."""

import json
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from shared.errors import InvalidJobError
from shared.models.jobs import PageJob
from shared.models.run import EndpointCheckpoint
from shared.runs.run_writes import PAGES_AT_ONCE
from shared.sources.base import FetchedPage
from tests.integration.line.run_of_pages import CHECKPOINT, Death, Line, WorkerDiedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def line(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> Line:
    line = Line(dynamodb_client, checkpoint_table)
    line.source.planned = ["a"]
    line.source.follows = {"a": ["b"], "b": ["c"]}
    return line


def only_job(line: Line) -> PageJob:
    (job,) = line.pages.take()
    return cast(PageJob, job)


def test_a_chain_is_followed_to_its_end(line: Line) -> None:
    summary = line.start()
    assert (summary.status, summary.pages_planned) == ("running", 1)
    line.work()
    progress = line.assert_exact(summary.run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 3)
    assert line.source.fetched == ["a", "b", "c"]
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == CHECKPOINT


def test_several_hundred_next_pages_join_at_once(line: Line) -> None:
    names = [f"n{number}" for number in range(2 * PAGES_AT_ONCE + 5)]
    line.source.follows = {"a": [*names, names[0]]}
    run_id = line.start().run_id
    first = only_job(line)
    line.fetch(first)
    assert len(line.pages.jobs) == len(names)
    assert line.assert_exact(run_id).run.pages_planned == len(names) + 1


def test_a_page_counts_before_it_can_end(line: Line) -> None:
    run_id = line.start().run_id
    line.fetch(only_job(line))
    # The next page overtakes the one that told of it.
    line.fetch(only_job(line))
    line.source.follows = {}
    line.fetch(only_job(line))
    for job in reversed(line.derive.take()):
        assert line.progress(run_id).run.status == "running"
        line.finish(job)  # type: ignore[arg-type]
    assert line.assert_exact(run_id).run.status == "succeeded"


def test_pages_fetched_before_the_planner_has_finished_count_too(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_planning = line.runs.planning.finish_planning

    def finish_late(*arguments: object, **options: object) -> None:
        line.work()
        assert line.runs.reader.list_runs(line.corpus)[0].run.status == "planning"
        finish_planning(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(line.runs.planning, "finish_planning", finish_late)
    summary = line.start()
    assert (summary.status, summary.pages_planned) == ("succeeded", 3)
    line.assert_exact(summary.run_id)


def test_what_is_delivered_again_tells_of_nothing_new(line: Line) -> None:
    run_id = line.start().run_id
    first = only_job(line)
    line.fetch(first)
    line.fetch(first)
    line.fetcher.fetch(first)  # a delivery that began before the other one had recorded anything
    assert {cast(PageJob, job).page_id for job in line.pages.take()} == {"b"}
    assert line.assert_exact(run_id).run.pages_planned == 2


def test_a_delivery_that_the_source_refuses_after_its_twin_was_done_leaves_no_gap(
    line: Line,
) -> None:
    line.source.follows = {}
    run_id = line.start().run_id
    job = only_job(line)
    line.fetch(job)
    line.source.broken = {"a"}
    line.fetcher.fetch(job)  # it began before the other one had recorded anything
    assert line.outcomes(run_id) == {"a": None}
    assert list(line.store.list("raw/_gaps/")) == []
    line.work()
    assert line.assert_exact(run_id).run.status == "succeeded"


def test_what_a_page_first_told_of_holds(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source whose cursors are new each time must not have its chain read twice."""
    run_id = line.start().run_id
    first = only_job(line)
    with monkeypatch.context() as patch:
        patch.setattr(line.runs.joining, "add_next_pages", _die)
        with pytest.raises(WorkerDiedError):
            line.fetch(first)
    line.source.follows = {"a": ["another"]}
    line.fetch(first)
    assert only_job(line).page_id == "b"
    assert set(line.outcomes(run_id)) == {"a", "b"}
    assert line.assert_exact(run_id).raw_records == 1


def _die(*_: object) -> None:
    raise WorkerDiedError


def test_two_deliveries_at_once_add_a_page_once(line: Line) -> None:
    line.source.follows = {"a": [f"n{number}" for number in range(30)]}
    run_id = line.start().run_id
    first = only_job(line)
    threads = [threading.Thread(target=line.fetcher.fetch, args=(first,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert line.assert_exact(run_id).run.pages_planned == 31
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 31)


@pytest.mark.parametrize("is_after", [False, True])
def test_a_fetcher_killed_at_any_call_is_repaired_by_redelivery(
    line: Line, monkeypatch: pytest.MonkeyPatch, *, is_after: bool
) -> None:
    line.source.follows["a"] = ["b", "a"]  # with a loop beside
    run_id = line.start().run_id
    first = only_job(line)
    with monkeypatch.context() as patch:
        death = Death(patch, line)
        deaths = death.until_it_lives(lambda: line.fetch(first), is_after=is_after)
    assert deaths > 4
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done, progress.pages_gap) == ("incomplete", 3, 1)


@pytest.mark.parametrize("is_after", [False, True])
def test_a_planner_killed_at_any_call_is_repaired_by_its_request(
    line: Line, monkeypatch: pytest.MonkeyPatch, *, is_after: bool
) -> None:
    with monkeypatch.context() as patch:
        death = Death(patch, line)
        deaths = death.until_it_lives(line.start, is_after=is_after)
    assert deaths > 2
    line.work()
    (progress,) = line.runs.reader.list_runs(line.corpus)
    assert line.assert_exact(progress.run.run_id).run.status == "succeeded"


@pytest.mark.parametrize("back_to", ["a", "b", "c"])
def test_a_loop_leaves_a_gap_and_ends(line: Line, back_to: str) -> None:
    line.source.follows["c"] = [back_to]
    run_id = line.start().run_id
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done, progress.pages_gap) == ("incomplete", 3, 1)
    assert line.source.fetched == ["a", "b", "c"]
    (gap,) = line.runs.reader.gaps(run_id)
    assert gap.reason.startswith(f"CURSOR_LOOP: page c leads to page {back_to}, ")
    assert gap.query == {"page": back_to}
    (listed,) = line.store.list("raw/_gaps/")
    assert json.loads(line.store.get(listed.key).data)["code"] == "CURSOR_LOOP"
    assert line.state.checkpoint(line.corpus, "list", since_seq=0) == EndpointCheckpoint()


def test_two_pages_that_lead_to_the_same_one_are_a_loop_of_one(line: Line) -> None:
    line.source.planned = ["a", "b"]
    line.source.follows = {"a": ["c"], "b": ["c"]}
    run_id = line.start().run_id
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.pages_done, progress.pages_gap) == (3, 1)
    assert line.source.fetched.count("c") == 1


def test_pages_told_of_after_the_run_has_ended_are_gaps(line: Line) -> None:
    run_id = line.start().run_id
    first = only_job(line)
    line.runs.ledger.end_page(first, "failed", "poison")
    assert line.progress(run_id).run.status == "incomplete"
    line.fetch(first)  # redriven
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done, progress.pages_gap) == ("incomplete", 1, 1)
    line.steer("retry_gaps", run_id)
    line.work()
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 3)


def test_a_page_that_joins_while_the_run_is_about_to_end_keeps_it_open(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = line.start().run_id
    first = only_job(line)
    following = first.model_copy(update={"page_id": "b", "query": {"page": "b"}})
    due_ending = line.runs.endings.due_ending

    def joined_meanwhile(*arguments: Any) -> Any:
        due = due_ending(*arguments)
        monkeypatch.undo()
        line.runs.joining.add_next_pages(first, [following])
        return due

    monkeypatch.setattr(line.runs.endings, "due_ending", joined_meanwhile)
    line.runs.ledger.end_page(first, "gap", "another delivery was luckier")
    progress = line.assert_exact(run_id)
    assert (progress.run.status, progress.run.pages_planned) == ("running", 2)


def test_a_run_that_has_succeeded_takes_no_page(line: Line) -> None:
    run_id = line.start().run_id
    first = only_job(line)
    line.pages.jobs = [first]
    line.work()
    late = first.model_copy(update={"page_id": "late"})
    with pytest.raises(InvalidJobError, match="has succeeded and takes no more pages"):
        line.runs.joining.add_next_pages(first, [late])
    line.assert_exact(run_id)


def test_a_long_query_and_etag_fit_the_metadata_of_an_object(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = line.start().run_id
    first = only_job(line)
    job = first.model_copy(update={"query": {"page": "a", "urls": "u" * 5000}})
    page = FetchedPage(lines=("1",), etag="e" * 3000, attribution="Data provided by a source")
    monkeypatch.setattr(line.source, "fetch", lambda *_: page)
    line.fetch(job)
    (listed,) = line.store.list("raw/chain")
    metadata = line.store.get(listed.key).metadata
    assert sum(len(name) + len(value) for name, value in metadata.items()) < 2048
    assert len(metadata["query-sha256"]) == 64
    assert "query" not in metadata
    assert line.runs.ledger.is_recorded(job, "fetch")
    assert line.progress(run_id).raw_records == 1
