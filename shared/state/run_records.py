"""The record of a run: how it starts, what its counters say, how it ends."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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

Clock = Callable[[], datetime]


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
    """Reads and writes the records of runs."""

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: Clock = utc_now) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock

    def start_run(self, record: RunRecord) -> RunRecord:
        """Write the record of a new run, or return the one that an earlier attempt wrote."""
        item = {"PK": run_partition(record.run_id), "SK": "RUN", **record.model_dump()}
        try:
            self._table.put(item, "attribute_not_exists(PK)")
        except ConditionFailedError:
            return self.get_run(record.run_id).run
        return record

    def finish_planning(
        self, run_id: str, pages_planned: int, checkpoints: Mapping[str, EndpointCheckpoint]
    ) -> None:
        """Say that all pages are published; `checkpoints` hold once the run ends without a gap."""
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET #status = :running, pages_planned = :planned, next_checkpoints = :checkpoints",
            {
                ":planning": "planning",
                ":running": "running",
                ":planned": pages_planned,
                ":checkpoints": {
                    name: checkpoint.model_dump(exclude_none=True)
                    for name, checkpoint in checkpoints.items()
                },
            },
            "#status = :planning",
            {"#status": "status"},
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
        return RunProgress(run=RunRecord.model_validate(fields), **counters)

    def exists(self, run_id: str) -> bool:
        """Whether a run of that id was ever recorded."""
        return self._table.get(run_partition(run_id), "RUN") is not None

    def end_run_if_complete(self, run_id: str) -> None:
        """End the run if every planned page has ended; any number of callers may try."""
        progress = self.get_run(run_id)
        run = progress.run
        if run.pages_planned is None or run.status in {"planning", "succeeded", "failed"}:
            return
        unwell = progress.pages_gap + progress.pages_failed
        if progress.pages_done + unwell < run.pages_planned:
            return
        if unwell == 0:
            self._end_run(progress, "succeeded", None)
        elif run.status == "running":
            reason = (
                f"{progress.pages_gap} gaps and {progress.pages_failed} failed pages "
                f"of {run.pages_planned}"
            )
            self._end_run(progress, "incomplete", reason)

    def _end_run(self, progress: RunProgress, status: RunStatus, reason: str | None) -> None:
        run = progress.run
        if run.status == status:
            return
        values: dict[str, Any] = {
            ":status": status,
            ":now": self._now(),
            ":before": run.status,
        }
        expression = "SET #status = :status, ended_at = :now"
        names = {"#status": "status"}
        if reason is None:
            expression += " REMOVE reason"
        else:
            expression += ", reason = :reason"
            values[":reason"] = reason
        writes = [
            self._table.update_write(
                run_partition(run.run_id), "RUN", expression, values, "#status = :before", names
            )
        ]
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
                writes += [
                    self._table.put_write(
                        {
                            "PK": corpus_partition(run.corpus),
                            "SK": f"CHECKPOINT#{endpoint}",
                            **checkpoint.model_dump(),
                        }
                    )
                    for endpoint, checkpoint in run.next_checkpoints.items()
                ]
        try:
            self._table.transact(writes)
        except ConditionFailedError as error:
            if error.indexes == (1,):
                # The lease is another run's by now: this one overstayed. It ends all the same.
                self._table.transact(writes[:1])

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def _add_counters(counters: dict[str, int], item: Item) -> None:
    for name, value in item.items():
        if name not in {"PK", "SK"}:
            counters[name] = counters.get(name, 0) + value
