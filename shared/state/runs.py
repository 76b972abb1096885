"""What a run's pages did, counted exactly once whatever is delivered again.

Each mark on a page is one conditional write in one transaction with the counters it moves, so a
second delivery changes nothing. Whoever ends the last page ends the run in one more transaction.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from shared.errors import InvalidJobError
from shared.models.jobs import Job, PageJob
from shared.models.run import PageOutcome
from shared.state.run_records import RunRecords, corpus_partition, run_partition
from shared.state.table import ConditionFailedError, Item

StageName = Literal["fetch", "derive", "chunk", "embed", "index"]

_COUNTER_ROWS = 8
_WHOLE_PAGE_STAGES = frozenset({"fetch", "derive", "chunk"})
# Ended pages that a redrive or a retry may still turn into done ones.
_REVOCABLE_OUTCOMES = frozenset({"failed", "gap"})


class RunStore(RunRecords):
    """The records of runs and of their pages."""

    def add_pages(self, jobs: Iterable[PageJob]) -> None:
        """Write a record for each page; pages that an earlier attempt wrote stay as they are."""
        for job in jobs:
            item = {
                "PK": run_partition(job.run_id),
                "SK": _page_key(job),
                "job": job.model_dump_json(),
                "endpoint": job.endpoint,
            }
            try:
                self._table.put(item, "attribute_not_exists(PK)")
            except ConditionFailedError:
                continue

    def pages(self, run_id: str) -> Iterable[Item]:
        """Yield the page records of a run: `job`, `stages`, `parts`, `outcome`, `reason`."""
        return self._table.query(run_partition(run_id), "PAGE#")

    def fail_run(self, run_id: str, reason: str) -> None:
        """End a run that cannot go on; pages that have not ended become `failed`."""
        for page in self.pages(run_id):
            if "outcome" not in page:
                self._set_outcome(PageJob.model_validate_json(page["job"]), "failed", reason)
        self._end_run(self.get_run(run_id), "failed", reason)

    def is_recorded(self, job: Job, stage: StageName, part: int | None = None) -> bool:
        """Whether a stage has wholly done its work for the job."""
        page = self._table.get(run_partition(job.run_id), _page_key(job))
        return page is not None and _mark(stage, part) in page.get("stages", set())

    def indexed_origins(self, origins: Iterable[str]) -> set[str]:
        """Return which of the origins, `<run>/<page>/<part>`, the index holds.

        They are those whose page has the mark of the indexer; each page is read once.
        """
        parts_of_pages: dict[tuple[str, str], dict[str, str]] = {}
        for origin in origins:
            run_id, _, rest = origin.partition("/")
            page_id, _, part = rest.rpartition("/")
            page = (run_partition(run_id), f"PAGE#{page_id}")
            parts_of_pages.setdefault(page, {})[f"index/{part}"] = origin
        indexed: set[str] = set()
        for item in self._table.get_many(parts_of_pages):
            marks: set[str] = item.get("stages", set())
            parts = parts_of_pages[item["PK"], item["SK"]]
            indexed |= {origin for mark, origin in parts.items() if mark in marks}
        return indexed

    def record_part_without_shard(
        self, job: Job, counts: Mapping[str, int], *, part: int, parts: int
    ) -> bool:
        """Mark a part embedded and indexed at once: nothing of it has to be indexed.

        Both marks are one write: a worker that died between two would leave a page whose part
        nobody indexes any more.

        Returns:
            False when an earlier delivery had recorded that the part is embedded.
        """
        marks = (_mark("embed", part), _mark("index", part))
        return self._record(job, marks, counts, {"parts": parts})

    def record_stage(
        self,
        job: Job,
        stage: StageName,
        counts: Mapping[str, int],
        *,
        part: int | None = None,
        parts: int | None = None,
        etag: str | None = None,
        query_hash: str | None = None,
    ) -> bool:
        """Mark a stage done for a page and move the counters; end the page if that was all.

        Call it after the output is written and the next job published. `etag` and `query_hash`
        are kept so that the page's etag is trusted only once the page is wholly indexed.

        Returns:
            False when an earlier delivery had done it.

        Raises:
            InvalidJobError: the run has no such page.
        """
        extra = {"parts": parts, "etag": etag, "query_hash": query_hash}
        return self._record(job, (_mark(stage, part),), counts, extra)

    def _record(
        self, job: Job, marks: tuple[str, ...], counts: Mapping[str, int], extra: Mapping[str, Any]
    ) -> bool:
        """Add marks to a page unless it has the first of them, and move the counters."""
        present = {name: value for name, value in extra.items() if value is not None}
        expression = "ADD stages :marks"
        if present:
            expression += " SET " + ", ".join(f"{name} = :{name}" for name in present)
        values: dict[str, Any] = {":marks": set(marks), ":mark": marks[0]}
        values |= {f":{k}": v for k, v in present.items()}
        writes = [
            self._table.update_write(
                run_partition(job.run_id),
                _page_key(job),
                expression,
                values,
                "attribute_exists(PK) AND (attribute_not_exists(stages) OR "
                "NOT contains(stages, :mark))",
            ),
            *self._count_writes(job, counts),
        ]
        try:
            self._table.transact(writes)
            is_first = True
        except ConditionFailedError:
            is_first = False
        self.end_page_if_complete(job)
        return is_first

    def end_page_if_complete(self, job: Job) -> None:
        """End the page if every stage has done every part of it."""
        page = self._page(job)
        if page.get("outcome") in {"done", "unchanged"} or _is_complete(page):
            self.end_page(job, "done")

    def end_page(self, job: Job, outcome: PageOutcome, reason: str | None = None) -> None:
        """Give the page its outcome, once, and end the run if it was the last page.

        A failed page or a gap may later become done (redrive); done stays done.
        """
        self._set_outcome(job, outcome, reason)
        self.end_run_if_complete(job.run_id)

    def _set_outcome(self, job: Job, outcome: PageOutcome, reason: str | None) -> None:
        while True:
            page = self._page(job)
            before = page.get("outcome")
            if before == outcome or (before is not None and before not in _REVOCABLE_OUTCOMES):
                return
            if before is not None and outcome in _REVOCABLE_OUTCOMES:
                return
            try:
                self._table.transact(self._outcome_writes(job, page, outcome, reason))
                return
            except ConditionFailedError:
                continue  # somebody ended the page meanwhile: look again

    def _outcome_writes(
        self, job: Job, page: Item, outcome: PageOutcome, reason: str | None
    ) -> list[Any]:
        before = page.get("outcome")
        counts = {_OUTCOME_COUNTER[outcome]: 1}
        if outcome == "unchanged":
            counts["pages_unchanged"] = 1
        if before is not None:
            counts[_OUTCOME_COUNTER[before]] = -1
        values = {":outcome": outcome, ":now": self._now(), ":reason": reason or ""}
        condition = "attribute_exists(PK) AND attribute_not_exists(outcome)"
        if before is not None:
            condition, values[":before"] = "outcome = :before", before
        writes = [
            self._table.update_write(
                run_partition(job.run_id),
                _page_key(job),
                "SET outcome = :outcome, ended_at = :now, reason = :reason",
                values,
                condition,
            ),
            *self._count_writes(job, counts),
        ]
        if outcome == "done" and page.get("etag") and page.get("query_hash"):
            writes.append(
                self._table.put_write(
                    {
                        "PK": corpus_partition(job.corpus),
                        "SK": f"ETAG#{page['query_hash']}",
                        "etag": page["etag"],
                    }
                )
            )
        return writes

    def _page(self, job: Job) -> Item:
        page = self._table.get(run_partition(job.run_id), _page_key(job))
        if page is None:
            raise InvalidJobError(f"run {job.run_id} has no page {job.page_id}")
        return page

    def _count_writes(self, job: Job, counts: Mapping[str, int]) -> list[Any]:
        moved = {name: count for name, count in counts.items() if count != 0}
        if not moved:
            return []
        row = zlib.crc32(job.page_id.encode()) % _COUNTER_ROWS
        return [
            self._table.update_write(
                run_partition(job.run_id),
                f"COUNTERS#{row}",
                "ADD " + ", ".join(f"{name} :{name}" for name in moved),
                {f":{name}": count for name, count in moved.items()},
            )
        ]


_OUTCOME_COUNTER: dict[str, str] = {
    "done": "pages_done",
    "unchanged": "pages_done",
    "gap": "pages_gap",
    "failed": "pages_failed",
}


def _page_key(job: Job) -> str:
    return f"PAGE#{job.page_id}"


def _mark(stage: StageName, part: int | None) -> str:
    return stage if part is None else f"{stage}/{part}"


def _is_complete(page: Item) -> bool:
    """Whether every stage is marked; late marks of early stages too, so counters are exact."""
    marks: set[str] = page.get("stages", set())
    parts = page.get("parts")
    if parts is None or not marks >= _WHOLE_PAGE_STAGES:
        return False
    return all(f"embed/{n}" in marks and f"index/{n}" in marks for n in range(parts))
