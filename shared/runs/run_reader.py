"""Reading the records of runs and of their pages."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.errors import NotFoundError
from shared.models.jobs import PageJob
from shared.models.run import ProblemPage, RunProgress, RunRecord
from shared.runs.table_keys import (
    COUNTER_ROWS,
    PAGE_PREFIX,
    corpus_partition,
    counters_partition,
    run_partition,
)
from shared.table.table import StateTable
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PROBLEMS = frozenset({"gap", "failed"})


class RunReader:
    """Reads runs; a process that has only this class can neither change nor end one."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._table = StateTable(client, table_name)

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
            for number in range(COUNTER_ROWS)
        ):
            rows.setdefault(row["PK"], []).append(row)
        return [
            _progress(records[run_partition(run_id)], rows.get(counters_partition(run_id), []))
            for run_id in run_ids
        ]

    def has_unfinished_runs(self, corpus: str, *, since_seq: int, before_seq: int) -> bool:
        """Whether a run of those `seq` has not succeeded, so that work of it may still arrive."""
        listed = self._table.query(corpus_partition(corpus), "RUNS#")
        run_ids = [item["SK"].removeprefix("RUNS#") for item in listed]
        records = self._table.get_many((run_partition(run_id), "RUN") for run_id in run_ids)
        return any(
            since_seq <= record["seq"] < before_seq and record["status"] != "succeeded"
            for record in records
        )

    def record(self, run_id: str) -> RunRecord:
        """Return a run without its counters, in one read.

        Raises:
            NotFoundError: there is no such run.
        """
        return _record(self._item(run_id))

    def _item(self, run_id: str) -> Item:
        item = self._table.get(run_partition(run_id), "RUN")
        if item is None:
            raise NotFoundError(f"there is no run {run_id}")
        return item

    def get_run(self, run_id: str) -> RunProgress:
        """Return a run with its counters.

        Raises:
            NotFoundError: there is no such run.
        """
        return self.read(run_id)[1]

    def read(self, run_id: str) -> tuple[Item, RunProgress]:
        """Return a run's item as it lies in the table, and the run with its counters."""
        # The record first: counters that are read later can only be ahead of its `changes`.
        record = self._item(run_id)
        return record, _progress(record, self._table.query(counters_partition(run_id), "ROW#"))

    def exists(self, run_id: str) -> bool:
        """Whether a run of that id was ever recorded."""
        return self._table.get(run_partition(run_id), "RUN") is not None

    def is_cancel_requested(self, run_id: str) -> bool:
        """Whether an operator has asked for the run to be cancelled."""
        item = self._table.get(run_partition(run_id), "RUN")
        return item is not None and "cancel_requested" in item

    def last_progress(self, run_id: str) -> datetime | None:
        """When a running run last moved; None for one that is not, or not yet wholly, running."""
        item, progress = self.read(run_id)
        if progress.run.status != "running" or "reopening" in item:
            return None
        planned_at: str = item["planned_at"]
        return datetime.fromisoformat(max(planned_at, progress.moved_at or planned_at))

    def pages(self, run_id: str) -> Iterator[Item]:
        """Yield a run's pages: `job`, `stages`, `parts`, `outcome`, `reason`, `parent`."""
        return self._table.query(run_partition(run_id), PAGE_PREFIX)

    def unfetched_pages(self, run_id: str) -> Iterator[PageJob]:
        """Yield the pages that are still to be fetched."""
        for page in self.pages(run_id):
            if is_unfetched(page):
                yield PageJob.model_validate_json(page["job"])

    def problem_pages(self, run_id: str) -> Iterator[ProblemPage]:
        """Yield the gaps and the failed pages of a run, with their reasons."""
        for page in self.pages(run_id):
            if page.get("outcome") in _PROBLEMS:
                job = PageJob.model_validate_json(page["job"])
                yield ProblemPage(
                    page_id=job.page_id,
                    endpoint=job.endpoint,
                    outcome=page["outcome"],
                    reason=page["reason"],
                    query=job.query,
                )

    def gaps(self, run_id: str) -> list[ProblemPage]:
        """Return the pages that the source would not give."""
        return [page for page in self.problem_pages(run_id) if page.outcome == "gap"]


def is_unfetched(page: Item) -> bool:
    """Whether a page is still to be fetched."""
    return "outcome" not in page and "fetch" not in page.get("stages", set())


def _progress(record: Item, rows: Iterable[Item]) -> RunProgress:
    counters: dict[str, Any] = {}
    for row in rows:
        _add_counters(counters, row)
    return RunProgress(run=_record(record), **counters)


def _record(item: Item) -> RunRecord:
    return RunRecord.model_validate({n: item[n] for n in RunRecord.model_fields if n in item})


def _add_counters(counters: dict[str, Any], item: Item) -> None:
    counters["moved_at"] = max(counters.get("moved_at", ""), item["moved_at"])
    for name, value in item.items():
        if name not in {"PK", "SK", "moved_at"}:
            counters[name] = counters.get(name, 0) + value
