"""The progress of a run's pages, counted exactly once even when a message is delivered again.

Each mark on a page is one conditional write in one transaction with the counters it moves, so a
second delivery changes nothing. The worker that ends the last page ends the run in one more
transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from shared.errors import InvalidJobError
from shared.models.jobs import Job
from shared.models.run import PageOutcome
from shared.runs.run_endings import RunEndings
from shared.runs.run_writes import RunWrites, kept_reason
from shared.runs.table_keys import corpus_partition, counter_row, page_key, run_partition
from shared.table.table import ConditionFailedError, StateTable
from shared.table.typed_values import Item

StageName = Literal["fetch", "derive", "chunker", "embedder", "indexer"]
"""A stage has the name of its function."""

# The names that the marks of stored pages have had since the first release.
_MARKS: dict[StageName, str] = {
    "fetch": "fetch", "derive": "derive", "chunker": "chunk", "embedder": "embed",
    "indexer": "index",
}  # fmt: skip

_OUTDATED = "outdated/"
_SUPERSEDED = "superseded/"
_WHOLE_PAGE_MARKS = frozenset({"fetch", "derive", "chunk"})
# Ended pages that a redrive, a retry or a late worker may still turn into done ones.
_REVOCABLE_OUTCOMES = frozenset({"failed", "gap", "cancelled"})


class PageLedger:
    """Marks what each stage has done of a page, moves the counters, and ends pages."""

    def __init__(self, table: StateTable, writes: RunWrites, endings: RunEndings) -> None:
        self._table = table
        self._writes = writes
        self._endings = endings

    def is_recorded(self, job: Job, stage: StageName, part: int | None = None) -> bool:
        """Whether a stage has wholly done its work for the job."""
        page = self._table.get(run_partition(job.run_id), page_key(job.page_id))
        return page is not None and _has_done(page, stage, part)

    def finish_recorded(self, job: Job, stage: StageName, part: int | None = None) -> bool:
        """As `is_recorded`; then the page is ended too, if every stage has done every part of it.

        The worker that recorded it may have ended before it did that.
        """
        page = self._table.get(run_partition(job.run_id), page_key(job.page_id))
        if page is None or not _has_done(page, stage, part):
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
            parts_of_pages.setdefault(page, {})[f"{_MARKS['indexer']}/{part}"] = origin
        indexed: set[str] = set()
        for item in self._table.get_many(parts_of_pages):
            marks: set[str] = item.get("stages", set())
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
        marks = (_mark("embedder", part), _mark("indexer", part))
        return self._record(job, marks, counts, {"parts": parts})

    def record_outdated_part(self, job: Job, *, part: int, parts: int) -> bool:
        """Mark a part embedded, and outdated instead of indexed: its index refuses it.

        The part counts as done, but what it says never passes for indexed, and the page's etag is
        not kept: the next run that reads the page indexes what is still so.

        Returns:
            False when an earlier delivery had recorded it.
        """
        marks = (_outdated_mark(part), _mark("embedder", part))
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
            {":marks": {f"{_SUPERSEDED}{part}"}},
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
                page_key(job.page_id),
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
        self._end_if_complete(job, self._page(job))

    def _end_if_complete(self, job: Job, page: Item) -> None:
        if page.get("outcome") in {"done", "unchanged"} or _is_complete(page):
            self.end_page(job, "done")

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
        if outcome == "done" and _is_etag_trusted(page):
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


def _mark(stage: StageName, part: int | None) -> str:
    mark = _MARKS[stage]
    return mark if part is None else f"{mark}/{part}"


def _has_done(page: Item, stage: StageName, part: int | None) -> bool:
    marks: set[str] = page.get("stages", set())
    if _mark(stage, part) in marks:
        return True
    return stage == "indexer" and part is not None and _outdated_mark(part) in marks


def _is_complete(page: Item) -> bool:
    """Whether every stage is marked; late marks of early stages too, so counters are exact."""
    marks: set[str] = page.get("stages", set())
    parts = page.get("parts")
    if parts is None or not marks >= _WHOLE_PAGE_MARKS:
        return False
    return all(
        _mark("embedder", n) in marks
        and not marks.isdisjoint((_mark("indexer", n), _outdated_mark(n)))
        for n in range(parts)
    )


def _is_etag_trusted(page: Item) -> bool:
    """Whether a page that is done is wholly indexed, so that its source may answer 304 to it."""
    marks: set[str] = page.get("stages", set())
    is_left_out = any(mark.startswith((_OUTDATED, _SUPERSEDED)) for mark in marks)
    return bool(page.get("etag") and page.get("query_hash")) and not is_left_out


def _no_such_page(job: Job) -> InvalidJobError:
    return InvalidJobError(f"run {job.run_id} has no page {job.page_id}")


def _outdated_mark(part: int) -> str:
    return f"{_OUTDATED}{part}"
