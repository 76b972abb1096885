"""How a run ends: which ending is due, and the one transaction that makes it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from shared.models.run import (
    LIVE_STATUSES,
    RunProgress,
    RunRecord,
    RunStatus,
)
from shared.runs.leases import IS_UNCHANGED, Lease, lease_changed
from shared.runs.run_reader import RunReader
from shared.runs.run_writes import RunWrites, kept_reason
from shared.runs.table_keys import corpus_partition
from shared.table.table import ConditionFailedError, StateTable
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Ending = tuple[RunStatus, str | None]
SweepRequest = Callable[[RunRecord], None]

_UNSWEPT_STATUSES: frozenset[RunStatus] = frozenset({"running", "incomplete"})


class RunEndings:
    """Ends runs.

    A full run, once all its pages are done, asks `request_sweep` to have deleted what it did not
    see, and ends when that is done. The request may come several times.
    """

    def __init__(
        self,
        table: StateTable,
        reader: RunReader,
        writes: RunWrites,
        request_sweep: SweepRequest,
    ) -> None:
        self._table = table
        self._reader = reader
        self._writes = writes
        self._request_sweep = request_sweep

    def end_run_if_complete(self, run_id: str) -> None:
        """End the run if every page has ended; any number of callers may try."""
        while True:
            item, progress = self._reader.read(run_id)
            if self._is_ready_for_sweep(item, progress):
                self._request_sweep(progress.run)
                return
            ending = self.due_ending(item, progress)
            if ending is None or self.end_run(item, progress, ending):
                return

    def due_ending(self, item: Item, progress: RunProgress) -> Ending | None:
        """Return how a run ends as it was read, with the reason; None when it is not to end yet."""
        run = progress.run
        if progress.pages_ended < run.pages_planned:
            return None
        if run.cancel_requested is not None and run.status in LIVE_STATUSES:
            return "cancelled", f"cancelled; {progress.pages_cancelled} pages were not finished"
        if run.status not in _UNSWEPT_STATUSES or "reopening" in item or "swept" in item:
            return None
        if progress.pages_gap or progress.pages_failed:
            reason = (
                f"{progress.pages_gap} gaps and {progress.pages_failed} failed pages "
                f"of {run.pages_planned}"
            )
            return ("incomplete", reason) if run.status == "running" else None
        if progress.parts_outdated:
            return "incomplete", (
                f"{progress.parts_outdated} parts did not enter the index: it was swept, restored "
                "or deleted, or the model changed, after the run had begun; start a new run"
            )
        return "succeeded", None

    def awaits_sweep(self, run_id: str) -> bool:
        """Whether a run's pages are all done, and its sweep is not."""
        return self._is_ready_for_sweep(*self._reader.read(run_id))

    def _is_ready_for_sweep(self, item: Item, progress: RunProgress) -> bool:
        due = self.due_ending(item, progress)
        return progress.run.mode == "full" and due == ("succeeded", None)

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
            self.end_run(*self._reader.read(run_id), (status, reason), deleted=deleted)

    def give_up_sweep(self, run_id: str, reason: str) -> None:
        """End a run whose sweep keeps failing as `incomplete`; the sweep may be done later."""
        if self.awaits_sweep(run_id):
            self.end_run(*self._reader.read(run_id), ("incomplete", reason))

    def end_run(
        self,
        item: Item,
        progress: RunProgress,
        ending: Ending,
        deleted: int | None = None,
        expired: Lease | None = None,
    ) -> bool:
        """End the run; with `deleted`, say in the same transaction that it is swept.

        With `expired`, only while the corpus is under that lease.

        Returns:
            False when the run has changed since it was read: look again.

        Raises:
            ConflictError: the corpus is not under the lease `expired` any more.
        """
        run, status = progress.run, ending[0]
        if (run.status, run.reason) == ending and deleted is None:
            return True
        writes = [self._ending_write(item, ending, is_swept=deleted is not None)]
        if deleted:
            writes.append(self._writes.count(run.run_id, 0, {"entities_deleted": deleted}))
        essential = len(writes)
        # Only the run that holds the lease may move the watermark: a page redriven long after
        # must not carry it back behind a newer run.
        if run.status in LIVE_STATUSES:
            writes.append(self._releasing_write(run, expired))
            if status == "succeeded":
                writes += self._checkpoint_writes(run)
        try:
            self._table.transact(writes)
        except ConditionFailedError as error:
            if error.indexes != (essential,):
                return False
            if expired is not None:
                raise lease_changed(expired) from None
            # Another run holds the lease by now: this run's lease expired. It ends all the same.
            try:
                self._table.transact(writes[:essential])
            except ConditionFailedError:
                return False
        return True

    def _releasing_write(self, run: RunRecord, expired: Lease | None) -> "TransactWriteItemTypeDef":
        condition, values = "attribute_not_exists(PK) OR run_id = :run", {":run": run.run_id}
        if expired is not None:
            condition, values = IS_UNCHANGED, expired.as_values
        return self._table.delete_write(corpus_partition(run.corpus), "LEASE", condition, values)

    def _ending_write(
        self, item: Item, ending: Ending, *, is_swept: bool
    ) -> "TransactWriteItemTypeDef":
        status, reason = ending
        values: dict[str, Any] = {
            ":status": status,
            ":now": self._writes.now(),
            ":before": item["status"],
            ":changes": item["changes"],
        }
        expression = "SET #status = :status, ended_at = :now"
        condition = "#status = :before AND changes = :changes"
        if status != "cancelled":
            condition += " AND attribute_not_exists(cancel_requested)"
        if is_swept:
            expression += ", swept = :swept"
            condition += " AND attribute_not_exists(swept)"
            values[":swept"] = True
        if reason is None:
            expression += " REMOVE reopening, reason"
        else:
            expression += ", reason = :reason REMOVE reopening"
            values[":reason"] = kept_reason(reason)
        return self._table.update_write(
            item["PK"], "RUN", expression, values, condition, {"#status": "status"}
        )

    def _checkpoint_writes(self, run: RunRecord) -> list["TransactWriteItemTypeDef"]:
        return [
            self._table.put_write(
                {
                    "PK": corpus_partition(run.corpus),
                    "SK": f"CHECKPOINT#{endpoint}",
                    "seq": run.seq,
                    **checkpoint.model_dump(),
                }
            )
            for endpoint, checkpoint in run.next_checkpoints.items()
        ]
