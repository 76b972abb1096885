"""Asks all groups of an index side by side, and says what becomes of those that fail."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Generic, TypeVar

from shared.errors import DamagedIndexError, PartialFailureError, UltronError
from shared.index.search.shard_group import ShardGroup

_logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Round(Generic[ResultT]):
    """A query that the groups in other processes work on already."""

    question: Callable[[ShardGroup], ResultT]
    asked: dict[int, "Future[ResultT]"]


class GroupCalls:
    """The groups of one search: the first one in this process, the others in other processes.

    A group that fails once is not asked again. What fails with an error of the caller's making
    (4xx) fails the search with it; anything else fails it with `PartialFailureError`, or the error
    that names a damaged shard, unless a partial answer will do and at least one group is left.
    """

    def __init__(
        self,
        groups: Sequence[ShardGroup],
        pool: Executor,
        *,
        is_partial_fine: bool,
        seconds: float,
        has_own: bool = True,
    ) -> None:
        """Ask `groups`; all rounds together wait `seconds` for other processes.

        Without `has_own`, the first group counts as failed from the beginning.
        """
        self._groups = groups
        self._pool = pool
        self._is_partial_fine = is_partial_fine
        self._deadline = time.monotonic() + seconds
        self._failed: set[int] = set() if has_own else {0}
        self._damage: DamagedIndexError | None = None
        self.waited_ms = 0.0

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def group(self, number: int) -> ShardGroup:
        """One of them; 0 is the one in this process."""
        return self._groups[number]

    def start(self, question: Callable[[ShardGroup], ResultT]) -> Round[ResultT]:
        """Let the groups in other processes begin."""
        asked = {
            number: self._pool.submit(question, self._groups[number])
            for number in range(1, len(self._groups))
            if number not in self._failed
        }
        return Round(question, asked)

    def finish(self, begun: Round[ResultT]) -> dict[int, ResultT]:
        """Work on the own group, then collect the answers, by the number of their group.

        Raises:
            PartialFailureError: groups failed, and a partial answer will not do.
            DamagedIndexError: likewise, and one of them named a damaged shard.
            UltronError: of the caller's making, as a group raised it.
        """
        answers: dict[int, ResultT] = {}
        if 0 not in self._failed:
            if len(self._groups) == 1:
                return {0: begun.question(self._groups[0])}
            self._collect(0, partial(begun.question, self._groups[0]), answers)
        started = time.monotonic()
        for number, future in begun.asked.items():
            self._collect(number, partial(self._wait, future), answers)
        self.waited_ms += (time.monotonic() - started) * 1000.0
        if self._failed and not (self._is_partial_fine and answers):
            if self._damage is not None:
                raise self._damage
            raise PartialFailureError(
                f"{len(self._failed)} of the {len(self._groups)} groups of shards that the index "
                "is searched in did not answer; ask again, or with partial=true for the rest"
            )
        return answers

    def _wait(self, future: "Future[ResultT]") -> ResultT:
        return future.result(max(0.0, self._deadline - time.monotonic()))

    def _collect(
        self, number: int, work: Callable[[], ResultT], answers: dict[int, ResultT]
    ) -> None:
        try:
            answers[number] = work()
        except UltronError as error:
            if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            if isinstance(error, DamagedIndexError):
                self._damage = error
            self._fail(number, error.code, str(error))
        except TimeoutError:
            self._fail(number, "TIMEOUT", "no answer in time")

    def _fail(self, number: int, code: str, reason: str) -> None:
        self._failed.add(number)
        _logger.error("a group failed", extra={"group": number, "code": code, "reason": reason})
