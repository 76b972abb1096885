"""How a run begins: its record, its number, its checkpoints, and the end of its planning."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.errors import LeaseHeldError, RunCancelledError
from shared.models.run import EndpointCheckpoint, RunRecord
from shared.runs.run_endings import RunEndings
from shared.runs.run_reader import RunReader
from shared.runs.run_writes import RunWrites
from shared.runs.table_keys import corpus_partition, run_partition
from shared.table.table import ConditionFailedError, StateTable
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


class RunPlanning:
    """Writes the records of runs that begin.

    The record's `changes` counts the writes after which a run has pages that have not ended: a run
    is ended only if none came between the look at its counters and the write that ends it.
    """

    def __init__(
        self, table: StateTable, reader: RunReader, writes: RunWrites, endings: RunEndings
    ) -> None:
        self._table = table
        self._reader = reader
        self._writes = writes
        self._endings = endings

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
                if self._reader.exists(record.run_id):
                    return self._reader.get_run(record.run_id).run
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

    def note_checkpoints(
        self, run_id: str, checkpoints: Mapping[str, EndpointCheckpoint]
    ) -> Mapping[str, EndpointCheckpoint]:
        """Keep the checkpoints of a run's first plan, before any of its pages is read.

        Returns:
            Those that hold. A run that is planned again still counts from its first plan: a page
            that was read after it may have changed before the second.
        """
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET next_checkpoints = :found",
            {":found": _plain(checkpoints), ":none": {}},
            "next_checkpoints = :none",
        )
        try:
            self._table.transact([write])
        except ConditionFailedError:
            return self._reader.get_run(run_id).run.next_checkpoints
        return checkpoints

    def finish_planning(
        self,
        run_id: str,
        checkpoints: Mapping[str, EndpointCheckpoint],
        records_planned: int | None = None,
        *,
        lease_seconds: int,
    ) -> None:
        """Say that all pages are published; `checkpoints` hold once the run ends without a gap.

        From here on the run holds its corpus for `lease_seconds` after its last progress.

        Raises:
            RunCancelledError: an operator has asked for the run to be cancelled.
            LeaseHeldError: another run took the corpus while this one was planned.
        """
        corpus = self._reader.get_run(run_id).run.corpus
        values = {
            "status": "running",
            "planned_at": self._writes.now(),
            "records_planned": records_planned,
            "next_checkpoints": _plain(checkpoints),
        }
        known = {name: value for name, value in values.items() if value is not None}
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET " + ", ".join(f"#{name} = :{name}" for name in known),
            {":planning": "planning"} | {f":{name}": value for name, value in known.items()},
            "#status = :planning AND attribute_not_exists(cancel_requested)",
            {"#status": "status"} | {f"#{name}": name for name in known},
        )
        try:
            self._table.transact([write, self._writes.lease(corpus, run_id, lease_seconds)])
        except ConditionFailedError:
            run = self._reader.get_run(run_id).run
            if run.cancel_requested is not None:
                raise RunCancelledError(f"run {run_id} was cancelled while planned") from None
            if run.status == "planning":
                raise LeaseHeldError(
                    f"another run took corpus {corpus} while run {run_id} was planned"
                ) from None
        self._endings.end_run_if_complete(run_id)


def _plain(checkpoints: Mapping[str, EndpointCheckpoint]) -> dict[str, dict[str, str]]:
    return {name: found.model_dump(exclude_none=True) for name, found in checkpoints.items()}
