"""The record of a run: how it starts, what its counters say, how it ends."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from shared.errors import NotFoundError
from shared.models.run import (
    TERMINAL_STATUSES,
    EndpointCheckpoint,
    RunProgress,
    RunRecord,
    RunStatus,
)
from shared.state.table import ConditionFailedError, Item, StateTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Clock = Callable[[], datetime]
SweepRequest = Callable[[RunRecord], None]
_UNSWEPT_STATUSES: frozenset[RunStatus] = frozenset({"running", "incomplete"})


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)


def corpus_partition(corpus: str) -> str:
    """`PK` of what belongs to a corpus."""
    return f"CORPUS#{corpus}"


def run_partition(run_id: str) -> str:
    """`PK` of what belongs to a run."""
    return f"RUN#{run_id}"


class RunRecords:
    """Reads and writes the records of runs.

    A full run, once all its pages are done, asks `request_sweep` to have deleted what it did not
    see, and ends when that is done. The request may come several times. Without `request_sweep`
    the last page ends every run.
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
        try:
            self._table.put(item, "attribute_not_exists(PK)")
        except ConditionFailedError:
            return self.get_run(record.run_id).run
        return record

    def finish_planning(
        self,
        run_id: str,
        pages_planned: int,
        checkpoints: Mapping[str, EndpointCheckpoint],
        records_planned: int | None = None,
    ) -> None:
        """Say that all pages are published; `checkpoints` hold once the run ends without a gap."""
        values = {
            "status": "running",
            "pages_planned": pages_planned,
            "records_planned": records_planned,
            "next_checkpoints": {
                name: checkpoint.model_dump(exclude_none=True)
                for name, checkpoint in checkpoints.items()
            },
        }
        known = {name: value for name, value in values.items() if value is not None}
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET " + ", ".join(f"#{name} = :{name}" for name in known),
            {":planning": "planning"} | {f":{name}": value for name, value in known.items()},
            "#status = :planning",
            {f"#{name}": name for name in known},
        )
        try:
            self._table.transact([write])
        except ConditionFailedError:
            if self.get_run(run_id).run.status == "planning":
                raise
        self.end_run_if_complete(run_id)

    def get_run(self, run_id: str) -> RunProgress:
        """Return a run with its counters.

        Raises:
            NotFoundError: there is no such run.
        """
        return self._read(run_id)[1]

    def _read(self, run_id: str) -> tuple[Item, RunProgress]:
        record: Item | None = None
        counters: dict[str, int] = {}
        for prefix in ("RUN", "COUNTERS#"):
            for item in self._table.query(run_partition(run_id), prefix):
                if item["SK"] == "RUN":
                    record = item
                else:
                    _add_counters(counters, item)
        if record is None:
            raise NotFoundError(f"there is no run {run_id}")
        fields = {name: record[name] for name in RunRecord.model_fields if name in record}
        return record, RunProgress(run=RunRecord.model_validate(fields), **counters)

    def exists(self, run_id: str) -> bool:
        """Whether a run of that id was ever recorded."""
        return self._table.get(run_partition(run_id), "RUN") is not None

    def end_run_if_complete(self, run_id: str) -> None:
        """End the run if every planned page has ended; any number of callers may try."""
        item, progress = self._read(run_id)
        run = progress.run
        if run.status not in _UNSWEPT_STATUSES or not _has_ended_pages(progress):
            return
        if progress.pages_gap or progress.pages_failed:
            reason = (
                f"{progress.pages_gap} gaps and {progress.pages_failed} failed pages "
                f"of {run.pages_planned}"
            )
            if run.status == "running":
                self._end_run(progress, "incomplete", reason)
        elif run.mode == "full" and "swept" not in item and self._request_sweep is not None:
            self._request_sweep(run)
        elif "swept" not in item:
            self._end_run(progress, "succeeded", None)

    def awaits_sweep(self, run_id: str) -> bool:
        """Whether a run's pages are all done, and its sweep is not."""
        item, progress = self._read(run_id)
        return (
            progress.run.mode == "full"
            and progress.run.status in _UNSWEPT_STATUSES
            and "swept" not in item
            and _has_ended_pages(progress)
            and not (progress.pages_gap or progress.pages_failed)
        )

    def finish_sweep(
        self,
        run_id: str,
        deleted: int,
        *,
        status: Literal["succeeded", "incomplete"] = "succeeded",
        reason: str | None = None,
    ) -> None:
        """Count the entities that the sweep of a run deleted, once, and end the run."""
        if self.awaits_sweep(run_id):
            self._end_run(self.get_run(run_id), status, reason, deleted=deleted)

    def give_up_sweep(self, run_id: str, reason: str) -> None:
        """End a run whose sweep keeps failing as `incomplete`; the sweep may be done later."""
        if self.awaits_sweep(run_id):
            self._end_run(self.get_run(run_id), "incomplete", reason)

    def _end_run(
        self,
        progress: RunProgress,
        status: RunStatus,
        reason: str | None,
        deleted: int | None = None,
    ) -> None:
        """Set the status; with `deleted`, say in the same transaction that the run is swept."""
        run = progress.run
        if run.status == status and deleted is None:
            return
        writes = [self._ending_write(run, status, reason, is_swept=deleted is not None)]
        if deleted:
            writes.append(self._deleted_write(run.run_id, deleted))
        essential = len(writes)
        # Only the run that holds the lease may move the watermark: a page redriven long after
        # must not carry it back behind a newer run.
        if run.status not in TERMINAL_STATUSES:
            writes.append(
                self._table.delete_write(
                    corpus_partition(run.corpus),
                    "LEASE",
                    "attribute_not_exists(PK) OR run_id = :run",
                    {":run": run.run_id},
                )
            )
            if status == "succeeded":
                writes += self._checkpoint_writes(run)
        try:
            self._table.transact(writes)
        except ConditionFailedError as error:
            if error.indexes == (essential,):
                # The lease is another run's by now: this one overstayed. It ends all the same.
                with contextlib.suppress(ConditionFailedError):  # somebody else has ended it
                    self._table.transact(writes[:essential])

    def _ending_write(
        self, run: RunRecord, status: RunStatus, reason: str | None, *, is_swept: bool
    ) -> "TransactWriteItemTypeDef":
        values: dict[str, Any] = {":status": status, ":now": self._now(), ":before": run.status}
        expression = "SET #status = :status, ended_at = :now"
        condition = "#status = :before"
        if is_swept:
            expression += ", swept = :swept"
            condition += " AND attribute_not_exists(swept)"
            values[":swept"] = True
        if reason is None:
            expression += " REMOVE reason"
        else:
            expression += ", reason = :reason"
            values[":reason"] = reason
        names = {"#status": "status"}
        return self._table.update_write(
            run_partition(run.run_id), "RUN", expression, values, condition, names
        )

    def _deleted_write(self, run_id: str, deleted: int) -> "TransactWriteItemTypeDef":
        return self._table.update_write(
            run_partition(run_id), "COUNTERS#0", "ADD entities_deleted :deleted",
            {":deleted": deleted},
        )  # fmt: skip

    def _checkpoint_writes(self, run: RunRecord) -> list["TransactWriteItemTypeDef"]:
        return [
            self._table.put_write(
                {
                    "PK": corpus_partition(run.corpus),
                    "SK": f"CHECKPOINT#{endpoint}",
                    **checkpoint.model_dump(),
                }
            )
            for endpoint, checkpoint in run.next_checkpoints.items()
        ]

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def _has_ended_pages(progress: RunProgress) -> bool:
    """Whether every planned page has ended."""
    planned = progress.run.pages_planned
    ended = progress.pages_done + progress.pages_gap + progress.pages_failed
    return planned is not None and ended >= planned


def _add_counters(counters: dict[str, int], item: Item) -> None:
    for name, value in item.items():
        if name not in {"PK", "SK"}:
            counters[name] = counters.get(name, 0) + value
