"""Pages that an earlier release marked by other names, while and after its workers are replaced."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.ingest.stalled_run import QUIET, StalledRuns
from shared.models.jobs import PageJob
from shared.runs.page_marks import MARKS_VERSION, StageName, has_former_names
from shared.runs.table_keys import counter_row, page_key, run_partition
from shared.table.table import ConditionFailedError
from shared.table.typed_values import Item
from tests.integration.line.run_of_pages import Line
from tests.simulation.aws.dynamodb import MemoryDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "state"
PARTS = 2
FORMER = {"chunker": "chunk", "embedder": "embed", "indexer": "index"}
STEPS: list[tuple[StageName, int | None]] = [
    ("fetch", None),
    ("derive", None),
    ("chunker", None),
    *((stage, part) for stage in ("embedder", "indexer") for part in range(PARTS)),
]
ALL_FORMER_MARKS = {
    "fetch", "derive", "chunk", "embed/0", "embed/1", "index/0", "index/1",
}  # fmt: skip
Worker = Callable[["World", StageName, int | None], bool]


class World:
    """A run of one page, as this release or an earlier one wrote it."""

    def __init__(self, *, is_former: bool) -> None:
        memory = MemoryDynamoDB(lambda: datetime(2026, 11, 23, tzinfo=UTC))
        memory.add_table(TABLE)
        self.line = Line(cast("DynamoDBClient", memory), TABLE)
        self.line.source.planned = ["a"]
        self.run_id = self.line.start().run_id
        self.job = cast(PageJob, self.line.pages.jobs[0])
        self.table = self.line.runs.ledger._table
        if is_former:
            item = self.page
            del item["marks_version"]
            self.table.transact([self.table.put_write(item)])

    @property
    def page(self) -> Item:
        item = self.table.get(run_partition(self.run_id), page_key(self.job.page_id))
        assert item is not None
        return item


def present(world: World, stage: StageName, part: int | None) -> bool:
    """Record a stage as this release does."""
    parts = PARTS if stage == "chunker" else None
    ledger = world.line.runs.ledger
    return ledger.record_stage(world.job, stage, {"chunks": 1}, part=part, parts=parts)


def former(world: World, stage: StageName, part: int | None) -> bool:
    """Record a stage as the earlier release did, and end the page if it knows all marks of it."""
    name = FORMER.get(stage, stage)
    mark = name if part is None else f"{name}/{part}"
    expression = "ADD stages :marks" + (" SET parts = :parts" if stage == "chunker" else "")
    values: dict[str, Any] = {":marks": {mark}, ":mark": mark}
    values |= {":parts": PARTS} if stage == "chunker" else {}
    ledger, table, job = world.line.runs.ledger, world.table, world.job
    marking = table.update_write(
        run_partition(job.run_id),
        page_key(job.page_id),
        expression,
        values,
        "attribute_exists(PK) AND (attribute_not_exists(stages) OR NOT contains(stages, :mark))",
    )
    counting = ledger._writes.count(job.run_id, counter_row(job.page_id), {"chunks": 1})
    try:
        table.transact([marking, counting])
        is_first = True
    except ConditionFailedError:
        is_first = False
    if world.page["stages"] >= ALL_FORMER_MARKS:
        ledger.end_page(job, "done")
    return is_first


@pytest.mark.parametrize("workers", list(product((former, present), repeat=3)))
def test_a_page_of_an_earlier_release_is_counted_once_by_workers_of_both(
    workers: tuple[Worker, ...],
) -> None:
    """Each of the three stages is done by one of either release, and delivered to both again."""
    world = World(is_former=True)
    of_stage: dict[str, Worker] = dict(zip(FORMER, workers, strict=True))
    for stage, part in STEPS:
        assert of_stage.get(stage, former)(world, stage, part)
        assert not present(world, stage, part)
        assert not former(world, stage, part)
    assert world.page["stages"] == ALL_FORMER_MARKS
    progress = world.line.progress(world.run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 1)
    assert progress.chunks == len(STEPS)


@pytest.mark.parametrize("done_before", range(len(STEPS)))
def test_a_run_of_an_earlier_release_goes_on_and_ends(done_before: int) -> None:
    world = World(is_former=True)
    for stage, part in STEPS[:done_before]:
        former(world, stage, part)
    for stage, part in STEPS:  # the first ones are delivered again
        is_done = (stage, part) in STEPS[:done_before]
        assert world.line.runs.ledger.is_recorded(world.job, stage, part) is is_done
        assert present(world, stage, part) is not is_done
        assert world.line.runs.ledger.finish_recorded(world.job, stage, part)
    progress = world.line.progress(world.run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 1)
    assert progress.chunks == len(STEPS)


def test_a_page_of_this_release_has_the_names_of_the_functions() -> None:
    world = World(is_former=False)
    for stage, part in STEPS:
        assert present(world, stage, part)
    page = world.page
    assert page["marks_version"] == MARKS_VERSION
    assert page["stages"] == {
        "fetch", "derive", "chunker", "embedder/0", "embedder/1", "indexer/0", "indexer/1",
    }  # fmt: skip
    assert not has_former_names(page)


@pytest.mark.parametrize("is_former", [False, True])
def test_what_the_index_holds_is_known_by_marks_of_either_age(is_former: bool) -> None:
    world = World(is_former=is_former)
    worker = former if is_former else present
    worker(world, "indexer", 1)
    origins = {f"{world.run_id}/{world.job.page_id}/{part}" for part in range(PARTS)}
    [indexed] = world.line.runs.ledger.indexed_origins(origins)
    assert indexed.endswith("/1")


@pytest.mark.parametrize("is_former", [False, True])
def test_a_part_without_a_shard_is_counted_once_by_marks_of_either_age(is_former: bool) -> None:
    world = World(is_former=is_former)
    ledger = world.line.runs.ledger
    for stage, part in STEPS[:3]:
        (former if is_former else present)(world, stage, part)
    assert ledger.record_part_without_shard(world.job, {"vectors": 1}, part=0, parts=PARTS)
    assert not ledger.record_part_without_shard(world.job, {"vectors": 1}, part=0, parts=PARTS)
    assert ledger.record_outdated_part(world.job, part=1, parts=PARTS)
    assert not ledger.record_outdated_part(world.job, part=1, parts=PARTS)
    progress = world.line.progress(world.run_id)
    assert (progress.run.status, progress.pages_done, progress.vectors) == ("incomplete", 1, 1)
    assert progress.parts_outdated == 1


@pytest.mark.parametrize("is_former", [False, True])
def test_a_page_whose_last_recorder_died_is_ended_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch, is_former: bool
) -> None:
    """Both were given the message before either recorded it."""
    world = World(is_former=is_former)
    with monkeypatch.context() as dying:
        dying.setattr(world.line.runs.ledger, "_end_if_complete", lambda *_: None)
        for stage, part in STEPS:
            assert present(world, stage, part)
    assert world.line.progress(world.run_id).run.status == "running"
    assert not present(world, *STEPS[-1])
    progress = world.line.progress(world.run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 1)


@pytest.mark.parametrize("stage_and_part", STEPS[2:])
def test_a_former_mark_on_a_page_of_this_release_is_a_mark(
    stage_and_part: tuple[StageName, int | None],
) -> None:
    """A function was replaced after the run had begun: this worker gets the message once more."""
    world = World(is_former=False)
    for stage, part in STEPS:
        if (stage, part) == stage_and_part:
            assert former(world, stage, part)
        assert present(world, stage, part) is ((stage, part) != stage_and_part)
    progress = world.line.progress(world.run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 1)
    assert progress.chunks == len(STEPS)


class NoMessages:
    """The queues of a line in which nothing waits."""

    def get_queue_attributes(self, **call: Any) -> Any:
        return {"Attributes": dict.fromkeys(call["AttributeNames"], "0")}


def test_a_page_that_a_former_worker_did_not_end_is_ended_instead_of_failed() -> None:
    world = World(is_former=False)
    line = world.line
    for stage, part in STEPS[:-1]:
        present(world, stage, part)
    former(world, *STEPS[-1])
    assert line.progress(world.run_id).run.status == "running"
    line.now += QUIET
    queues: Any = NoMessages()
    assert StalledRuns(queues, ["jobs"], line.runs, line.planner.clock).close(world.run_id)
    progress = line.progress(world.run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 1)
