"""Where the code takes its time, its chance and its threads from: here from the simulation.

Each line names one place. What it replaces belongs to the machine and not to the project, but for
two pure functions, whose answers are kept, and the metrics, which nobody reads here.
"""

import errno
import os
import random as global_random
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import lru_cache
from random import Random
from typing import Any, TypeVar
from unittest import mock

from shared.index.catalog.array_archive import read_arrays
from shared.index.manifest.manifest_object import CommitRetry
from shared.platform.observability import metrics
from shared.table.table_clock import parse_http_date
from tests.simulation.scheduler import Scheduler

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

_CLOCKS = (
    "shared.index.manifest.manifest_object", "shared.index.manifest.manifest_store",
    "shared.index.maintenance.merging",
    "aws_lambda_powertools.utilities.parameters.base",
)  # fmt: skip
_POOLS = (
    "services.indexer.group_commit",
    "services.compactor.live_versions",
    "shared.index.maintenance.merging",
)

_mkstemp = tempfile.mkstemp
_read_arrays_once = lru_cache(512)(read_arrays)
_parse_http_date_once = lru_cache(512)(parse_http_date)


class InlineExecutor:
    """Does in the caller's thread what a pool does in several."""

    def __init__(self, *_: Any) -> None:
        """Take the arguments of a pool."""

    def __enter__(self) -> "InlineExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for nothing."""

    def map(self, work: Callable[..., AnswerT], *items: Iterable[ItemT]) -> Iterator[AnswerT]:
        """Do one after the other, at once."""
        return iter([work(*one) for one in zip(*items, strict=True)])


@contextmanager
def under(
    scheduler: Scheduler,
    random: Random,
    wall: Callable[[], datetime],
    is_disk_full: Callable[[], bool],
) -> Iterator[None]:
    """Run the block under the scheduler.

    `wall` is the clock of the worker whose turn it is, and `is_disk_full` says whether it has no
    room for a file that it downloads.
    """

    class Clock(datetime):
        """A `datetime` whose present is the worker's."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            moment = wall()
            return moment if tz is not None else moment.replace(tzinfo=None)

    def jitter(attempt: int) -> float:
        scheduler.sleep(random.uniform(0.0, min(1.0, 0.02 * 2**attempt)))
        return 0.0

    def wait(retry: CommitRetry, attempt: int) -> None:
        bound = min(retry.maximum_seconds, retry.base_seconds * 2**attempt)
        scheduler.sleep(random.uniform(0.0, bound))

    def make_file(**options: Any) -> tuple[int, str]:
        if is_disk_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return _mkstemp(**options)

    def new_id() -> uuid.UUID:
        return uuid.UUID(int=random.getrandbits(128), version=4)

    patches: list[Any] = [mock.patch(f"{module}.datetime", Clock) for module in _CLOCKS]
    patches += [mock.patch(f"{module}.ThreadPoolExecutor", InlineExecutor) for module in _POOLS]
    patches += [
        mock.patch("shared.table.table._jitter", jitter),
        mock.patch.object(CommitRetry, "wait", wait),
        mock.patch("shared.storage.s3.tempfile.mkstemp", make_file),
        mock.patch("uuid.uuid4", new_id),
        mock.patch("shared.index.catalog.catalog.read_arrays", _read_arrays_once),
        mock.patch("shared.table.table_clock.parse_http_date", _parse_http_date_once),
        mock.patch.object(metrics, "add_metric", lambda *_, **__: None),
    ]
    state = global_random.getstate()
    global_random.seed(random.getrandbits(64))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()
        global_random.setstate(state)
