"""The pages of a run, and how they join it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.batching import bounded_batches
from shared.errors import InvalidJobError, RunCancelledError
from shared.models.jobs import LARGEST_MESSAGE_BYTES, PageJob
from shared.models.run import LIVE_STATUSES
from shared.runs.page_marks import MARKS_VERSION
from shared.runs.run_reader import RunReader, is_unfetched
from shared.runs.run_writes import PAGES_AT_ONCE, RunWrites
from shared.runs.table_keys import counter_row, page_key, run_partition
from shared.table.table import LARGEST_TRANSACTION_BYTES, ConditionFailedError, StateTable
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

CURSOR_LOOP = "CURSOR_LOOP"
"""How the reason of a gap begins that stands for a page which led back to where it was."""

QUERY_TOO_LARGE = "QUERY_TOO_LARGE"
"""How the reason of a gap begins that stands for a page which no message can ask for."""

# What the item of a new page holds beside its job: its keys, and the reason of a gap.
_ITEM_FRAME_BYTES = 4_000

_AFTER_THE_END = "the run had ended when page {} told of this one; `ultron run retry-gaps` reads it"


@dataclass(frozen=True, slots=True)
class NewPage:
    """A page that joins a run; `gap_reason` says why it does so unread."""

    job: PageJob
    parent: str | None = None
    gap_reason: str | None = None


@dataclass(frozen=True, slots=True)
class NextPages:
    """The result for the pages that a page listed: those to be fetched, and gaps.

    The gaps are loops, and pages that no message can ask for.
    """

    unfetched: Sequence[PageJob]
    gaps: Sequence[NewPage]


class PageJoining:
    """Adds pages to runs.

    `pages_planned` is the number of a run's page records at any time: both are written together.
    """

    def __init__(self, table: StateTable, reader: RunReader, writes: RunWrites) -> None:
        self._table = table
        self._reader = reader
        self._writes = writes

    def add_pages(self, jobs: Sequence[PageJob]) -> None:
        """Add planned pages to a run; those that an earlier attempt wrote stay as they are.

        A page whose query is too large for a message becomes a gap. Once the run is planned nothing
        is added any more.

        Raises:
            RunCancelledError: an operator has asked for the run to be cancelled.
        """
        self._add([_carried(NewPage(job)) for job in jobs])

    def add_next_pages(self, parent: PageJob, jobs: Sequence[PageJob]) -> NextPages:
        """Add the pages that a fetched page listed.

        When it is called again with the same pages, it adds nothing. A listed page that is `parent`
        itself, or that the run has from its plan or another page, is a loop, which leaves a gap, as
        does a page whose query is too large for a message. Pages that are added after the run has
        ended are gaps too.

        Raises:
            RunCancelledError: an operator has asked for the run to be cancelled.
            InvalidJobError: the run has succeeded, and `parent` is none of its unread pages.
        """
        found = {job.page_id: job for job in jobs}
        itself = found.pop(parent.page_id, None)
        told = [_carried(NewPage(job, parent.page_id)) for job in found.values()]
        self._add(told)
        loops = [] if itself is None else [_loop_page(parent, itself)]
        unfetched: list[PageJob] = []
        keys = [(run_partition(parent.run_id), page_key(page_id)) for page_id in found]
        for page in self._table.get_many(keys):
            job = PageJob.model_validate_json(page["job"])
            if page.get("parent") != parent.page_id:
                loops.append(_loop_page(parent, job))
            elif is_unfetched(page):
                unfetched.append(job)
        self._add(loops)
        return NextPages(unfetched, [*loops, *(page for page in told if page.gap_reason)])

    def _add(self, pages: Sequence[NewPage]) -> None:
        for batch in bounded_batches(
            pages,
            lambda page: _ITEM_FRAME_BYTES + _size_bytes(page.job),
            most_items=PAGES_AT_ONCE,
            most_bytes=LARGEST_TRANSACTION_BYTES,
        ):
            self._add_batch(batch[0].job.run_id, {page.job.page_id: page for page in batch})

    def _add_batch(self, run_id: str, pages: dict[str, NewPage]) -> None:
        has_ended = False
        left = list(pages.values())
        while left:
            try:
                self._table.transact(self._adding_writes(run_id, left, has_ended=has_ended))
                return
            except ConditionFailedError as error:
                present = {index for index in error.indexes if index < len(left)}
            if present:
                left = [page for index, page in enumerate(left) if index not in present]
            elif left[0].parent is None and self._is_planned(run_id):
                return
            else:
                has_ended = self._takes_gaps_only(run_id)

    def _is_planned(self, run_id: str) -> bool:
        run = self._reader.get_run(run_id).run
        if run.cancel_requested is not None:
            raise RunCancelledError(f"run {run_id} was cancelled")
        return run.status != "planning"

    def _takes_gaps_only(self, run_id: str) -> bool:
        run = self._reader.get_run(run_id).run
        if run.cancel_requested is not None:
            raise RunCancelledError(f"run {run_id} was cancelled")
        if run.status == "succeeded":
            raise InvalidJobError(f"run {run_id} has succeeded and takes no more pages")
        return run.status not in LIVE_STATUSES

    def _adding_writes(
        self, run_id: str, pages: Sequence[NewPage], *, has_ended: bool
    ) -> "list[TransactWriteItemTypeDef]":
        writes = []
        gaps = 0
        for page in pages:
            reason = page.gap_reason
            if has_ended and reason is None:
                reason = _AFTER_THE_END.format(page.parent)
            gaps += reason is not None
            item = self._new_item(page, reason)
            writes.append(self._table.put_write(item, "attribute_not_exists(PK)"))
        if has_ended:
            statuses, condition = ("incomplete", "failed"), "#status IN (:a, :b)"
        else:
            # Planned pages join a run that is being planned, listed pages any live one.
            statuses = ("planning", "planning" if pages[0].parent is None else "running")
            condition = "#status IN (:a, :b) AND attribute_not_exists(cancel_requested)"
        writes.append(
            self._table.update_write(
                run_partition(run_id),
                "RUN",
                "ADD pages_planned :pages, changes :one",
                {":pages": len(pages), ":one": 1, ":a": statuses[0], ":b": statuses[1]},
                condition,
                {"#status": "status"},
            )
        )
        if gaps:
            row = counter_row(pages[0].job.page_id)
            writes.append(self._writes.count(run_id, row, {"pages_gap": gaps}))
        return writes

    def _new_item(self, page: NewPage, gap_reason: str | None) -> Item:
        item = {
            "PK": run_partition(page.job.run_id),
            "SK": page_key(page.job.page_id),
            "job": page.job.model_dump_json(),
            "endpoint": page.job.endpoint,
            "parent": page.parent,
            "marks_version": MARKS_VERSION,
        }
        if gap_reason is not None:
            item |= {"outcome": "gap", "ended_at": self._writes.now(), "reason": gap_reason}
        return item


def is_retriable(reason: str) -> bool:
    """Whether reading a gap again may close it; a loop leads back to itself for ever."""
    return not reason.startswith((CURSOR_LOOP, QUERY_TOO_LARGE))


def _carried(page: NewPage) -> NewPage:
    """The page, or the gap that replaces it when no message can carry its query."""
    size = _size_bytes(page.job)
    if size <= LARGEST_MESSAGE_BYTES:
        return page
    longest = max(page.job.query, key=lambda name: len(page.job.query[name]))
    reason = (
        f"{QUERY_TOO_LARGE}: page {page.job.page_id} has a query of {size} bytes, most of them in "
        f"{longest[:100]!r}, and a message carries {LARGEST_MESSAGE_BYTES}; let the corpus's "
        "source ask for less at once, or leave the page out"
    )
    return NewPage(page.job.model_copy(update={"query": {}}), page.parent, reason)


def _size_bytes(job: PageJob) -> int:
    return len(job.model_dump_json().encode())


def _loop_page(parent: PageJob, job: PageJob) -> NewPage:
    """The gap for a page of `parent` that is a loop; see `add_next_pages`."""
    identity = hashlib.sha256(f"{parent.page_id}/{job.page_id}".encode()).hexdigest()[:32]
    reason = (
        f"{CURSOR_LOOP}: page {parent.page_id} leads to page {job.page_id}, which this run has "
        "from elsewhere; start a new run when the source is repaired"
    )
    return NewPage(job.model_copy(update={"page_id": f"loop-{identity}"}), parent.page_id, reason)
