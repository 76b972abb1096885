"""The records of runs and of their pages, put together from their parts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.runs.cancelled_runs import CancelledRuns
from shared.runs.page_joining import PageJoining
from shared.runs.page_ledger import PageLedger
from shared.runs.run_endings import RunEndings, SweepRequest
from shared.runs.run_planning import RunPlanning
from shared.runs.run_reader import RunReader
from shared.runs.run_steering import RunSteering
from shared.runs.run_writes import RunWrites
from shared.table.table import StateTable
from shared.table.table_clock import TableClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class RunStore:
    """The records of runs, for a process that may end one; to read them a `RunReader` is enough.

    In the order of a run's life: `planning` begins it, `joining` adds its pages, `ledger` marks
    and counts what the stages have done of each, `endings` ends it. `steering` is what an operator
    does to it, and `cancelled` knows which runs an operator had cancelled.
    """

    reader: RunReader
    planning: RunPlanning
    joining: PageJoining
    ledger: PageLedger
    endings: RunEndings
    steering: RunSteering
    cancelled: CancelledRuns


def open_run_store(
    client: "DynamoDBClient",
    table_name: str,
    clock: TableClock,
    request_sweep: SweepRequest,
    elapsed: Callable[[], float] = time.monotonic,
) -> RunStore:
    """Return the records in a table.

    `clock` is the table's, as others compare what is written with it. `request_sweep` has what a
    full run did not see deleted. `elapsed` are seconds of a clock that no process can set.
    """
    table = StateTable(client, table_name)
    reader = RunReader(client, table_name)
    writes = RunWrites(table, clock)
    endings = RunEndings(table, reader, writes, request_sweep)
    return RunStore(
        reader=reader,
        planning=RunPlanning(table, reader, writes, endings),
        joining=PageJoining(table, reader, writes),
        ledger=PageLedger(table, writes, endings),
        endings=endings,
        steering=RunSteering(table, reader, writes, endings),
        cancelled=CancelledRuns(reader.is_cancel_requested, elapsed),
    )
