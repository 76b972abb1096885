"""The progress of a run's pages, counted exactly once even when a message is delivered again.

Each mark on a page is one conditional write in one transaction with the counters it moves, so a
second delivery changes nothing. The worker that ends the last page ends the run in one more
transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.errors import InvalidJobError
from shared.models.jobs import Job, PageJob
from shared.models.run import PageOutcome
from shared.runs.page_marks import (
    StageName,
    former_mark,
    has_done,
    has_former_names,
    is_complete,
    is_etag_trusted,
    mark_of,
    marks_of,
    outdated_mark,
    superseded_mark,
)
from shared.runs.run_endings import RunEndings
from shared.runs.run_writes import RunWrites, kept_reason
from shared.runs.table_keys import corpus_partition, counter_row, page_key, run_partition
from shared.table.table import ConditionFailedError, StateTable
from shared.table.typed_values import Item

# Ended pages that a redrive, a retry or a late worker may still turn into done ones.
_REVOCABLE_OUTCOMES = frozenset({"failed", "gap", "cancelled"})

_HAS_PRESENT_NAMES = "attribute_exists(marks_version)"
_HAS_FORMER_NAMES = "attribute_exists(PK) AND attribute_not_exists(marks_version)"


class PageLedger:
    """Marks what each stage has done of a page, moves the counters, and ends pages."""

    def __init__(self, table: StateTable, writes: RunWrites, endings: RunEndings) -> None:
        self._table = table
        self._writes = writes
        self._endings = endings

    def is_recorded(self, job: Job, stage: StageName, part: int | None = None) -> bool:
        """Whether a stage has wholly done its work for the job."""
        page = self._table.get(run_partition(job.run_id), page_key(job.page_id))
        return page is not None and has_done(page, stage, part)

    def finish_recorded(self, job: Job, stage: StageName, part: int | None = None) -> bool:
        """As `is_recorded`; then the page is ended too, if every stage has done every part of it.

        The worker that recorded it may have ended before it did that.
        """
        page = self._table.get(run_partition(job.run_id), page_key(job.page_id))
        if page is None or not has_done(page, stage, part):
            return False
        self._end_if_complete(job, page)
        return True

    def indexed_origins(self, origins: Iterable[str]) -> set[str]:
        """Return which of the origins, `<run>/<page>/<part>`, the index holds.

        They are those whose page has the mark of the indexer; each page is read once.
        """
        parts_of_pages: dict[tuple[str, str], dict[str, str]] = {}
        for origin in origins:
            run_id, _, rest = origin.partition("/")
            page_id, _, part = rest.rpartition("/")
            page = (run_partition(run_id), page_key(page_id))
            parts_of_pages.setdefault(page, {})[f"{mark_of('indexer')}/{part}"] = origin
        indexed: set[str] = set()
        for item in self._table.get_many(parts_of_pages):
            marks = marks_of(item)
            parts = parts_of_pages[item["PK"], item["SK"]]
            indexed |= {origin for mark, origin in parts.items() if mark in marks}
        return indexed

    def record_part_without_shard(
        self, job: Job, counts: Mapping[str, int], *, part: int, parts: int
    ) -> bool:
        """Mark a part embedded and indexed in one write: nothing of it has to be indexed.

        Both marks are one write: a worker that died between two would leave a page whose part is
        never indexed.

        Returns:
            False when an earlier delivery had recorded that the part is embedded.
        """
        marks = (mark_of("embedder", part), mark_of("indexer", part))
        return self._record(job, marks, counts, {"parts": parts})

    def record_outdated_part(self, job: Job, *, part: int, parts: int) -> bool:
        """Mark a part embedded, and outdated instead of indexed: its index refuses it.

        The part counts as done, but what it says never passes for indexed, and the page's etag is
        not kept: the next run that reads the page indexes what is still so.

        Returns:
            False when an earlier delivery had recorded it.
        """
        marks = (outdated_mark(part), mark_of("embedder", part))
        return self._record(job, marks, {"parts_outdated": 1}, {"parts": parts})

    def note_superseded_part(self, job: Job, *, part: int) -> None:
        """Say that newer jobs have begun entities of a part, before the part is recorded.

        Whether theirs is ever indexed is not known, so the page's etag is not kept.

        Raises:
            InvalidJobError: the run has no such page.
        """
        write = self._table.update_write(
            run_partition(job.run_id),
            page_key(job.page_id),
            "ADD stages :marks",
            {":marks": {superseded_mark(part)}},
            "attribute_exists(PK)",
        )
        try:
            self._table.transact([write])
        except ConditionFailedError:
            raise _no_such_page(job) from None

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
        return self._record(job, (mark_of(stage, part),), counts, extra)

    def _record(
        self, job: Job, marks: tuple[str, ...], counts: Mapping[str, int], extra: Mapping[str, Any]
    ) -> bool:
        """Add marks to a page unless it has the first of them, and end it if that was all.

        To a page that an earlier release wrote they are added by their former names: its workers
        may still be at work on the page, and know no others.
        """
        is_first = self._add_marks(job, marks, counts, extra, _HAS_PRESENT_NAMES)
        page = self._page(job)
        if not is_first and has_former_names(page):
            former = tuple(former_mark(mark) for mark in marks)
            is_first = self._add_marks(job, former, counts, extra, _HAS_FORMER_NAMES)
            page = self._page(job)
        self._end_if_complete(job, page)
        return is_first

    def _add_marks(
        self,
        job: Job,
        marks: tuple[str, ...],
        counts: Mapping[str, int],
        extra: Mapping[str, Any],
        condition: str,
    ) -> bool:
        """Add marks and move the counters, or nothing where the page has the first mark."""
        present = {name: value for name, value in extra.items() if value is not None}
        expression = "ADD stages :marks"
        if present:
            expression += " SET " + ", ".join(f"{name} = :{name}" for name in present)
        values: dict[str, Any] = {
            ":marks": set(marks), ":mark": marks[0], ":former": former_mark(marks[0]),
        }  # fmt: skip
        values |= {f":{k}": v for k, v in present.items()}
        writes = [
            self._table.update_write(
                run_partition(job.run_id),
                page_key(job.page_id),
                expression,
                values,
                f"{condition} AND (attribute_not_exists(stages) OR "
                "NOT (contains(stages, :mark) OR contains(stages, :former)))",
            ),
            *self._count_writes(job, counts),
        ]
        try:
            self._table.transact(writes)
        except ConditionFailedError:
            return False
        return True

    def end_page_if_complete(self, job: Job) -> None:
        """End the page if every stage has done every part of it."""
        self._end_if_complete(job, self._page(job))

    def _end_if_complete(self, job: Job, page: Item) -> None:
        if page.get("outcome") in {"done", "unchanged"} or is_complete(page):
            self.end_page(job, "done")

    def end_complete_pages(self, pages: Iterable[Item]) -> bool:
        """End those of the pages that are open though every stage has done every part of them.

        A worker of an earlier release does not know the present names of marks, so it ends no page
        of a run that began while its function was being replaced.

        Returns:
            Whether there was any.
        """
        complete = [page for page in pages if "outcome" not in page and is_complete(page)]
        for page in complete:
            self.end_page(PageJob.model_validate_json(page["job"]), "done")
        return bool(complete)

    def end_page(self, job: Job, outcome: PageOutcome, reason: str | None = None) -> None:
        """Give the page its outcome, once, and end the run if it was the last page.

        A page that failed, was cancelled or is a gap may later become done; done stays done.
        """
        self._set_outcome(job, outcome, reason)
        self._endings.end_run_if_complete(job.run_id)

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
                continue  # another process ended the page meanwhile: read it again

    def _outcome_writes(
        self, job: Job, page: Item, outcome: PageOutcome, reason: str | None
    ) -> list[Any]:
        before = page.get("outcome")
        counts = {_OUTCOME_COUNTER[outcome]: 1}
        if outcome == "unchanged":
            counts["pages_unchanged"] = 1
        if before is not None:
            counts[_OUTCOME_COUNTER[before]] = -1
        values = {
            ":outcome": outcome,
            ":now": self._writes.now(),
            ":reason": kept_reason(reason or ""),
        }
        condition = "attribute_exists(PK) AND attribute_not_exists(outcome)"
        if before is not None:
            condition, values[":before"] = "outcome = :before", before
        writes = [
            self._table.update_write(
                run_partition(job.run_id),
                page_key(job.page_id),
                "SET outcome = :outcome, ended_at = :now, reason = :reason",
                values,
                condition,
            ),
            *self._count_writes(job, counts),
        ]
        if outcome == "done" and is_etag_trusted(page):
            writes.append(
                self._table.put_write(
                    {
                        "PK": corpus_partition(job.corpus),
                        "SK": f"ETAG#{page['query_hash']}",
                        "seq": job.seq,
                        "etag": page["etag"],
                    }
                )
            )
        return writes

    def _page(self, job: Job) -> Item:
        page = self._table.get(run_partition(job.run_id), page_key(job.page_id))
        if page is None:
            raise _no_such_page(job)
        return page

    def _count_writes(self, job: Job, counts: Mapping[str, int]) -> list[Any]:
        moved = {name: count for name, count in counts.items() if count != 0}
        if not moved:
            return []
        return [self._writes.count(job.run_id, counter_row(job.page_id), moved)]


_OUTCOME_COUNTER: dict[str, str] = {
    "done": "pages_done",
    "unchanged": "pages_done",
    "gap": "pages_gap",
    "failed": "pages_failed",
    "cancelled": "pages_cancelled",
}


def _no_such_page(job: Job) -> InvalidJobError:
    return InvalidJobError(f"run {job.run_id} has no page {job.page_id}")
