"""The record of a run: how it starts, gets its number, and is moved."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.errors import LeaseHeldError
from shared.models.run import RunProgress, RunRecord
from shared.runs.run_reader import RunReader
from shared.runs.table_keys import corpus_partition, counters_partition, run_partition
from shared.table.table import ConditionFailedError
from shared.table.table_clock import TableClock
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Clock = Callable[[], datetime]
SweepRequest = Callable[[RunRecord], None]

_LONGEST_REASON = 2_000


def utc_now() -> datetime:
    """Return the present time in UTC, by this machine's clock."""
    return datetime.now(UTC)


class RunRecords(RunReader):
    """Writes the records of runs.

    The record's `changes` counts the writes after which a run has pages that have not ended: a run
    is ended only if none came between the look at its counters and the write that ends it.

    `clock` is the table's, as others compare what is written with it. `request_sweep` has what a
    full run did not see deleted.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        clock: TableClock,
        request_sweep: SweepRequest,
    ) -> None:
        super().__init__(client, table_name)
        self._clock = clock
        self._request_sweep = request_sweep

    def start_run(self, record: RunRecord) -> RunRecord:
        """Write the record of a new run, or return the one that an earlier attempt wrote.

        The run gets the `seq` of the record, or where an earlier run of the corpus had as much,
        one more than the greatest of them. In the same transaction it becomes the corpus's newest
        run: of planners that start runs at once each gets another number, whatever their clocks
        say.

        Raises:
            LeaseHeldError: the run does not hold its corpus.
        """
        while True:
            latest = self._table.get(corpus_partition(record.corpus), "LATEST")
            last: int | None = None if latest is None else latest["seq"]
            seq = record.seq if last is None else max(record.seq, last + 1)
            follows_seq = 0 if latest is None else self._last_with_pages(latest)
            numbered = record.model_copy(update={"seq": seq, "follows_seq": follows_seq})
            held, *others = self._starting_writes(numbered, last)
            try:
                self._table.transact([held, *others])
            except ConditionFailedError as error:
                if self.exists(record.run_id):
                    return self.get_run(record.run_id).run
                if 0 in error.indexes:
                    raise LeaseHeldError(
                        f"another run took corpus {record.corpus} before run {record.run_id} began"
                    ) from None
                continue  # another run got its number meanwhile
            return numbered

    def _last_with_pages(self, latest: Item) -> int:
        """Return the `seq` of the newest run with pages, `latest` or one before it."""
        item = self._table.get(run_partition(latest["run_id"]), "RUN")
        if item is None or item.get("pages_planned") or item.get("follows_seq") is None:
            return int(latest["seq"])
        return int(item["follows_seq"])

    def _starting_writes(
        self, record: RunRecord, last_seq: int | None
    ) -> "list[TransactWriteItemTypeDef]":
        corpus, run_id = corpus_partition(record.corpus), record.run_id
        latest = {"PK": corpus, "SK": "LATEST", "run_id": run_id, "seq": record.seq}
        if record.model_prefix is not None:
            latest["model_prefix"] = record.model_prefix
        is_unchanged, values = "attribute_not_exists(PK)", {}
        if last_seq is not None:
            is_unchanged, values = "seq = :last", {":last": last_seq}
        item = {"PK": run_partition(run_id), "SK": "RUN", **record.model_dump(), "changes": 0}
        return [
            self._table.update_write(
                corpus, "LEASE", "SET run_id = :run", {":run": run_id}, "run_id = :run"
            ),
            self._table.put_write(item, "attribute_not_exists(PK)"),
            self._table.put_write({"PK": corpus, "SK": f"RUNS#{run_id}"}),
            self._table.put_write(latest, is_unchanged, values),
        ]

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
                ":expires_at": int(self._clock.now().timestamp()) + lifetime_seconds,
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
        return self._clock.now().isoformat(timespec="milliseconds")


def kept_reason(reason: str) -> str:
    """Return a reason as an item keeps it: cut where long, as it may quote foreign text."""
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} [...]"
