"""The record of a run: how it starts, and what its counters say."""

import contextlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.errors import NotFoundError
from shared.models.run import RunProgress, RunRecord
from shared.state.table import ConditionFailedError, StateTable
from shared.state.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Clock = Callable[[], datetime]
SweepRequest = Callable[[RunRecord], None]

_LONGEST_REASON = 2_000
_COUNTER_ROWS = 8


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def corpus_partition(corpus: str) -> str:
    """`PK` of what belongs to a corpus."""
    return f"CORPUS#{corpus}"


def run_partition(run_id: str) -> str:
    """`PK` of what belongs to a run."""
    return f"RUN#{run_id}"


def counters_partition(run_id: str) -> str:
    """`PK` of a run's counters.

    Not among its pages: what they are moved and read by shall not share a partition's throughput
    with the pages, nor be looked for among them.
    """
    return f"{run_partition(run_id)}#COUNTERS"


def counter_row(page_id: str) -> int:
    """Which of a run's rows of counters a page moves: several, so that pages do not collide."""
    return zlib.crc32(page_id.encode()) % _COUNTER_ROWS


class RunRecords:
    """Reads and writes the records of runs.

    The record's `changes` counts the writes after which a run has pages that have not ended: a run
    is ended only if none came between the look at its counters and the write that ends it.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        clock: Clock = utc_now,
        request_sweep: SweepRequest | None = None,
    ) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock
        self._request_sweep = request_sweep

    def start_run(self, record: RunRecord) -> RunRecord:
        """Write the record of a new run, or return the one that an earlier attempt wrote."""
        item = {"PK": run_partition(record.run_id), "SK": "RUN", **record.model_dump()}
        listed = {"PK": corpus_partition(record.corpus), "SK": f"RUNS#{record.run_id}"}
        new = self._table.put_write(item | {"changes": 0}, "attribute_not_exists(PK)")
        try:
            self._table.transact([new, self._table.put_write(listed)])
        except ConditionFailedError:
            return self.get_run(record.run_id).run
        return record

    def list_runs(self, corpus: str, limit: int = 20) -> list[RunProgress]:
        """Return the newest runs of a corpus, the newest first."""
        listed = self._table.query(corpus_partition(corpus), "RUNS#", last_first=True)
        run_ids = [item["SK"].removeprefix("RUNS#") for item in islice(listed, limit)]
        found = list(self._table.get_many((run_partition(run_id), "RUN") for run_id in run_ids))
        records = {record["PK"]: record for record in found}
        rows: dict[str, list[Item]] = {}
        for row in self._table.get_many(
            (counters_partition(run_id), f"ROW#{number}")
            for run_id in run_ids
            for number in range(_COUNTER_ROWS)
        ):
            rows.setdefault(row["PK"], []).append(row)
        return [
            _progress(records[run_partition(run_id)], rows.get(counters_partition(run_id), []))
            for run_id in run_ids
        ]

    def get_run(self, run_id: str) -> RunProgress:
        """Return a run with its counters.

        Raises:
            NotFoundError: there is no such run.
        """
        return self._read(run_id)[1]

    def _read(self, run_id: str) -> tuple[Item, RunProgress]:
        # The record first: counters that are read later can only be ahead of its `changes`.
        record = self._table.get(run_partition(run_id), "RUN")
        if record is None:
            raise NotFoundError(f"there is no run {run_id}")
        return record, _progress(record, self._table.query(counters_partition(run_id), "ROW#"))

    def exists(self, run_id: str) -> bool:
        """Whether a run of that id was ever recorded."""
        return self._table.get(run_partition(run_id), "RUN") is not None

    def last_progress(self, run_id: str) -> datetime | None:
        """When a running run last moved; None for one that is not, or not yet wholly, running."""
        item, progress = self._read(run_id)
        if progress.run.status != "running" or "reopening" in item:
            return None
        planned_at: str = item["planned_at"]
        return datetime.fromisoformat(max(planned_at, progress.moved_at or planned_at))

    def request_cancel(self, run_id: str) -> RunProgress:
        """Note that a live run is to be cancelled: from now on no page joins it.

        Returns:
            The run; one that has ended is left as it is.
        """
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET cancel_requested = if_not_exists(cancel_requested, :now)",
            {":now": self._now(), ":planning": "planning", ":running": "running"},
            "#status IN (:planning, :running)",
            {"#status": "status"},
        )
        with contextlib.suppress(ConditionFailedError):  # it has ended, or there is none
            self._table.transact([write])
        return self.get_run(run_id)

    def _lease_write(
        self, corpus: str, run_id: str, lifetime_seconds: int
    ) -> "TransactWriteItemTypeDef":
        return self._table.update_write(
            corpus_partition(corpus),
            "LEASE",
            "SET run_id = :run, expires_at = :expires_at, lifetime_seconds = :lifetime",
            {
                ":run": run_id,
                ":expires_at": int(self._clock().timestamp()) + lifetime_seconds,
                ":lifetime": lifetime_seconds,
            },
            "attribute_not_exists(PK) OR run_id = :run",
        )

    def _count_write(
        self, run_id: str, row: int, counts: Mapping[str, int]
    ) -> "TransactWriteItemTypeDef":
        return self._table.update_write(
            counters_partition(run_id),
            f"ROW#{row}",
            "ADD " + ", ".join(f"{name} :{name}" for name in counts) + " SET moved_at = :now",
            {f":{name}": count for name, count in counts.items()} | {":now": self._now()},
        )

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def kept_reason(reason: str) -> str:
    """Return a reason as an item keeps it: cut where long, as it may quote foreign text."""
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} [...]"


def _progress(record: Item, rows: Iterable[Item]) -> RunProgress:
    counters: dict[str, Any] = {}
    for row in rows:
        _add_counters(counters, row)
    fields = {name: record[name] for name in RunRecord.model_fields if name in record}
    return RunProgress(run=RunRecord.model_validate(fields), **counters)


def _add_counters(counters: dict[str, Any], item: Item) -> None:
    counters["moved_at"] = max(counters.get("moved_at", ""), item["moved_at"])
    for name, value in item.items():
        if name not in {"PK", "SK", "moved_at"}:
            counters[name] = counters.get(name, 0) + value
