"""A table whose time the test moves, and machines whose own clocks are hours off."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from shared.corpora.corpus_state import CorpusState
from shared.models.jobs import PageJob
from shared.models.run import RunRecord
from shared.runs.run_store import open_run_store
from shared.table.table_clock import ResponseClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIFETIME_SECONDS = 6 * 3600


class DatedTable:
    """A table on the local AWS; `now` is what its answers say the time is."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name
        self.now = datetime(2026, 11, 23, 6, tzinfo=UTC)
        client.meta.events.register_first("after-call.dynamodb", self._date)

    def _date(self, parsed: dict[str, Any], **_: Any) -> None:
        date = format_datetime(self.now, usegmt=True)
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = date


class Machine:
    """A worker, a planner or a laptop whose clock is `skew` ahead of the table's."""

    def __init__(self, table: DatedTable, skew: timedelta = timedelta()) -> None:
        self.table = table
        self.skew = skew
        self.clock = ResponseClock(table.client, table.name, self.wall, self._elapsed)
        self.runs = open_run_store(table.client, table.name, self.clock, lambda _: None)
        self.state = CorpusState(table.client, table.name, self.clock)

    def wall(self) -> datetime:
        """What the machine believes the time to be."""
        return self.table.now + self.skew

    def _elapsed(self) -> float:
        return self.table.now.timestamp()

    def begin(self, corpus: str, run_id: str, pages: int = 1) -> list[PageJob]:
        """Plan a run, as the planner does; its number is this machine's time."""
        self.state.close_abandoned_run(corpus, run_id, self.runs)
        self.state.acquire_lease(corpus, run_id, 330)
        record = self.runs.planning.start_run(
            RunRecord(
                run_id=run_id, corpus=corpus, mode="incremental", status="planning",
                seq=int(self.wall().timestamp() * 1000), started_at=self.wall().isoformat(),
            )
        )  # fmt: skip
        jobs = [
            PageJob(
                corpus=corpus, run_id=run_id, page_id=f"p-{number}", seq=record.seq,
                endpoint="objects", query={},
            )
            for number in range(pages)
        ]  # fmt: skip
        self.runs.joining.add_pages(jobs)
        self.runs.planning.finish_planning(run_id, {}, lease_seconds=LIFETIME_SECONDS)
        return jobs


MakeMachine = Callable[[float], Machine]
