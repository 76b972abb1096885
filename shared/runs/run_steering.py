"""Steers a run as a whole: fails it, cancels it, takes its gaps up again."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from shared.batching import bounded_batches
from shared.errors import ConflictError
from shared.models.run import LIVE_STATUSES, RunProgress
from shared.runs.leases import IS_UNCHANGED, Lease
from shared.runs.page_joining import is_retriable
from shared.runs.run_endings import Ending, RunEndings
from shared.runs.run_reader import RunReader
from shared.runs.run_writes import PAGES_AT_ONCE, RunWrites, kept_reason
from shared.runs.table_keys import corpus_partition, counter_row, page_key, run_partition
from shared.table.table import LARGEST_TRANSACTION_BYTES, ConditionFailedError, StateTable
from shared.table.typed_values import Item, serialise, size_bytes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

PageChange = tuple[str, str, Mapping[str, Any]]
"""What is done to a page: the expression, its condition and its values."""


class RunSteering:
    """Moves many pages of a run at once, each exactly once with its counters."""

    def __init__(
        self, table: StateTable, reader: RunReader, writes: RunWrites, endings: RunEndings
    ) -> None:
        self._table = table
        self._reader = reader
        self._writes = writes
        self._endings = endings

    def fail_run(self, run_id: str, reason: str) -> None:
        """End a live run that cannot go on; pages that have not ended become `failed`."""
        self._close_run(run_id, "failed", reason, None)

    def fail_abandoned_run(self, lease: Lease, reason: str) -> bool:
        """End the live run of an expired lease, for as long as it does not renew that.

        Returns:
            False when the run had ended.

        Raises:
            ConflictError: the run renewed its lease meanwhile, or gave it back.
        """
        return self._close_run(lease.run_id, "failed", reason, lease)

    def request_cancel(self, run_id: str) -> RunProgress:
        """Note that a live run is to be cancelled: from now on no page joins it.

        Returns:
            The run; one that has ended is left as it is.
        """
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET cancel_requested = if_not_exists(cancel_requested, :now)",
            {":now": self._writes.now(), ":planning": "planning", ":running": "running"},
            "#status IN (:planning, :running)",
            {"#status": "status"},
        )
        with contextlib.suppress(ConditionFailedError):  # it has ended, or there is none
            self._table.transact([write])
        return self._reader.get_run(run_id)

    def finish_cancel(self, run_id: str) -> None:
        """End a live run that is to be cancelled; pages that have not ended become `cancelled`."""
        self._close_run(run_id, "cancelled", "the run was cancelled", None)

    def reopen_run(self, run_id: str) -> None:
        """Take the gaps of an incomplete run up again, but for loops; it must hold its corpus.

        Called again, it goes on where it was cut off. The run cannot end before `go_on`.

        Raises:
            ConflictError: the run is not incomplete, or has lost its corpus.
        """
        item, progress = self._reader.read(run_id)
        if "reopening" not in item:
            self._reopen_record(progress.run.corpus, run_id)
            item, _ = self._reader.read(run_id)
        gaps = [
            page
            for page in self._reader.pages(run_id)
            if page.get("outcome") == "gap" and is_retriable(page["reason"])
        ]
        guard = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "ADD changes :one",
            {":one": 1, ":reopening": item.get("reopening", "")},
            "reopening = :reopening",
        )
        change = "REMOVE outcome, ended_at, reason"
        self._move_pages(
            run_id, gaps, (change, "outcome = :gap", {":gap": "gap"}), {"pages_gap": -1}, [guard]
        )

    def go_on(self, run_id: str, lease_seconds: int) -> None:
        """Let a resumed or reopened run go on as any other, and hold its corpus while it moves.

        Raises:
            ConflictError: another run holds the corpus.
        """
        corpus = self._reader.get_run(run_id).run.corpus
        write = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET planned_at = :now REMOVE reopening",
            {":now": self._writes.now(), ":running": "running"},
            "#status = :running",
            {"#status": "status"},
        )
        try:
            self._table.transact([write, self._writes.lease(corpus, run_id, lease_seconds)])
        except ConditionFailedError as error:
            if 0 not in error.indexes:  # else it has ended meanwhile
                raise ConflictError(
                    f"run {run_id} has lost corpus {corpus} to another run; "
                    "look with `ultron run list`"
                ) from None
        self._endings.end_run_if_complete(run_id)

    def _reopen_record(self, corpus: str, run_id: str) -> None:
        reopened = self._table.update_write(
            run_partition(run_id),
            "RUN",
            "SET #status = :running, reopening = :now REMOVE ended_at, reason ADD changes :one",
            {
                ":running": "running",
                ":incomplete": "incomplete",
                ":now": self._writes.now(),
                ":one": 1,
            },
            "#status = :incomplete",
            {"#status": "status"},
        )
        held = self._table.update_write(
            corpus_partition(corpus),
            "LEASE",
            "SET run_id = :run",
            {":run": run_id},
            "run_id = :run",
        )
        try:
            self._table.transact([reopened, held])
        except ConditionFailedError:
            if "reopening" not in self._reader.read(run_id)[0]:
                raise ConflictError(
                    f"run {run_id} of {corpus} cannot be reopened: it is not incomplete any more, "
                    "or another run has begun; look with `ultron run show`"
                ) from None

    def _close_run(
        self,
        run_id: str,
        status: Literal["failed", "cancelled"],
        reason: str,
        expired: Lease | None,
    ) -> bool:
        """End a live run and its open pages; with `expired`, only while that is its lease.

        Returns:
            False when the run had ended.
        """
        while True:
            run = self._reader.get_run(run_id).run
            if run.status not in LIVE_STATUSES:
                return False
            outcome = "failed" if run.cancel_requested is None else "cancelled"
            open_pages = [page for page in self._reader.pages(run_id) if "outcome" not in page]
            values = {
                ":outcome": outcome,
                ":now": self._writes.now(),
                ":reason": kept_reason(reason),
            }
            change = "SET outcome = :outcome, ended_at = :now, reason = :reason"
            self._move_pages(
                run_id,
                open_pages,
                (change, "attribute_exists(PK) AND attribute_not_exists(outcome)", values),
                {f"pages_{outcome}": 1},
                [] if expired is None else [self._guard(run.corpus, expired)],
            )
            item, progress = self._reader.read(run_id)
            if progress.pages_ended < progress.run.pages_planned:
                continue
            ending: Ending | None = (status, reason)
            if progress.run.cancel_requested is not None:
                ending = self._endings.due_ending(item, progress)
            if ending is not None and self._endings.end_run(
                item, progress, ending, expired=expired
            ):
                return True

    def _guard(self, corpus: str, lease: Lease) -> "TransactWriteItemTypeDef":
        return self._table.update_write(
            corpus_partition(corpus), "LEASE", "SET run_id = :holder", lease.as_values, IS_UNCHANGED
        )

    def _move_pages(
        self,
        run_id: str,
        pages: Iterable[Item],
        change: PageChange,
        counts: Mapping[str, int],
        guards: "Sequence[TransactWriteItemTypeDef]" = (),
    ) -> None:
        """Change pages that are in the right state, each with its counters; others are left.

        `pages` as they were read; `counts` is for one page.
        """
        rows: dict[int, list[tuple[str, int]]] = {}
        for page in pages:
            page_id = page["SK"].removeprefix("PAGE#")
            size = size_bytes(serialise(page))
            rows.setdefault(counter_row(page_id), []).append((page_id, size))
        for row, sized in rows.items():
            # The items that the request changes may be too large, not the request.
            for batch in bounded_batches(
                sized,
                lambda page: page[1],
                most_items=PAGES_AT_ONCE,
                most_bytes=LARGEST_TRANSACTION_BYTES,
            ):
                page_ids = [page_id for page_id, _ in batch]
                self._move_batch(run_id, row, page_ids, change, counts, guards)

    def _move_batch(
        self,
        run_id: str,
        row: int,
        left: list[str],
        change: PageChange,
        counts: Mapping[str, int],
        guards: "Sequence[TransactWriteItemTypeDef]",
    ) -> None:
        expression, condition, values = change
        while left:
            writes = [
                self._table.update_write(
                    run_partition(run_id), page_key(page_id), expression, values, condition
                )
                for page_id in left
            ]
            moved = {name: count * len(left) for name, count in counts.items()}
            try:
                self._table.transact([*writes, self._writes.count(run_id, row, moved), *guards])
                return
            except ConditionFailedError as error:
                if any(index >= len(left) for index in error.indexes):
                    raise ConflictError(
                        f"run {run_id} was changed by another process meanwhile; try again"
                    ) from None
                left = [page for n, page in enumerate(left) if n not in error.indexes]
