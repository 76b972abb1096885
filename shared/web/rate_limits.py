"""The limits of sources, shared by all workers: slots per second, refusals, calls per day.

The generic cell rate algorithm (ITU-T I.371) assigns the rate-limit slots: one number per bucket,
the theoretical arrival time of the call after next. The number only grows, and each change of it is
one conditional write, so that no two workers get the same slot. The time is the table's: a worker
whose own clock is ahead would take the slots of the next hours, and stop all others.
"""

import contextlib
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from shared.errors import BudgetExhaustedError, ContentionError
from shared.models.sources import RateLimit
from shared.table.table import ConditionFailedError, StateTable
from shared.table.table_clock import TableClock
from shared.table.typed_values import Item
from shared.web.rates import Slot

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT = timedelta(days=3)
_SECOND = 1_000_000  # times of a bucket are microseconds since the epoch
_SORT_KEY = "BUCKET"
_WRITE_ATTEMPTS = 12
_LONGEST_HOLD_SECONDS = 86_400
# The interval between callers that wait for a source without its own limit that refuses.
_UNLIMITED_INTERVAL = _SECOND // 20
# No caller still waits for a bucket that is unused for so long: its `waiting_until` is outdated.
_IDLE = 10 * _SECOND
_IS_OPEN = "(attribute_not_exists(blocked_until) OR blocked_until <= :from)"


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What the item of a bucket says; all times in microseconds."""

    arrival: int = 0
    blocked_until: int = 0
    refused_since: int | None = None

    @classmethod
    def of(cls, item: Item | None) -> "_Bucket":
        found = item or {}
        return cls(
            found.get("arrival", 0), found.get("blocked_until", 0), found.get("refused_since")
        )


@dataclass(frozen=True, slots=True)
class _Rate:
    """A rate as the algorithm needs it: `interval` between calls, `tolerance` for bursts."""

    interval: int
    tolerance: int

    @classmethod
    def of(cls, rate: RateLimit) -> "_Rate":
        if rate.calls_per_second is None:
            return cls(0, 0)
        interval = ceil(_SECOND / rate.calls_per_second)
        return cls(interval, (rate.burst - 1) * interval)


class RateLimits:
    """Implements `SharedRates` on the table; a bucket is one item."""

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: TableClock) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        """Ask for a rate-limit slot that is free within `patience_seconds`.

        Raises:
            ContentionError: other workers kept getting in between.
        """
        now = self._now()
        limit = now + int(patience_seconds * _SECOND)
        pace = _Rate.of(rate)
        if pace.interval == 0:
            return self._take_unlimited(bucket, now, limit)
        # Guessing that the bucket is in use saves a read: a wrong guess returns its real state.
        found = _Bucket(arrival=now + 1)
        for attempt in range(_WRITE_ATTEMPTS):
            start = max(now, found.blocked_until)
            earliest = max(start, found.arrival - pace.tolerance)
            if earliest > limit and attempt > 0:
                return self._queue_up(bucket, found, pace.interval, now, earliest)
            try:
                changed = self._advance(bucket, found, pace, start, limit)
            except ConditionFailedError as error:
                found = _Bucket.of(error.item)
            else:
                before = changed.arrival - pace.interval
                granted = max(start, before - pace.tolerance)
                return _granted(changed, now, granted)
        raise _contention(bucket)

    def hold(self, bucket: str, seconds: float, lapse_seconds: float) -> None:
        """Grant no slot for so long, a day at most, because the source refused a call."""
        now = self._now()
        until = now + int(min(seconds, _LONGEST_HOLD_SECONDS) * _SECOND)
        stale = now - int(lapse_seconds * _SECOND)
        with contextlib.suppress(ConditionFailedError):  # one refusal of several: not the first
            self._update(
                bucket,
                "SET refused_since = :now",
                {":now": now, ":stale": stale},
                "attribute_not_exists(refused_since) OR blocked_until < :stale",
            )
        with contextlib.suppress(ConditionFailedError):  # another call was asked to wait longer
            self._update(
                bucket,
                "SET blocked_until = :until",
                {":until": until},
                "attribute_not_exists(blocked_until) OR blocked_until < :until",
            )

    def end_refusal(self, bucket: str) -> None:
        """Note that the source answers again; what it asked to wait for still holds."""
        with contextlib.suppress(ConditionFailedError):  # another worker noted it already
            self._update(bucket, "REMOVE refused_since", {}, "attribute_exists(refused_since)")

    def spend_budget(self, bucket: str, day: date, limit: int) -> None:
        """Count one call against a daily budget.

        Raises:
            BudgetExhaustedError: the day's calls are spent.
        """
        try:
            self._table.update(
                f"BUDGET#{bucket}",
                day.isoformat(),
                "ADD calls :one SET #ttl = :ttl",
                {":one": 1, ":limit": limit, ":ttl": self._expiry()},
                "attribute_not_exists(calls) OR calls < :limit",
                {"#ttl": "ttl"},
            )
        except ConditionFailedError:
            raise BudgetExhaustedError(
                f"the {limit} calls a day to {bucket} are spent for {day}; "
                "the rest of the run becomes gaps, which the next run reads again"
            ) from None

    def _take_unlimited(self, bucket: str, now: int, limit: int) -> Slot:
        found = _Bucket.of(self._table.get(_partition(bucket), _SORT_KEY))
        if found.blocked_until > limit:
            return self._queue_up(bucket, found, _UNLIMITED_INTERVAL, now, found.blocked_until)
        return _granted(found, now, max(now, found.blocked_until))

    def _advance(self, bucket: str, found: _Bucket, pace: _Rate, start: int, limit: int) -> _Bucket:
        """Take the next slot, on the condition that the bucket is unchanged since it was read."""
        values = {":from": start, ":interval": pace.interval}
        if found.arrival > start:
            return self._update(
                bucket,
                "SET arrival = arrival + :interval",
                {**values, ":latest": limit + pace.tolerance},
                f"arrival > :from AND arrival <= :latest AND {_IS_OPEN}",
            )
        forget = " REMOVE waiting_until" if found.arrival < start - _IDLE else ""
        return self._update(
            bucket,
            f"SET arrival = :next{forget}",
            {":from": start, ":next": start + pace.interval},
            f"(attribute_not_exists(arrival) OR arrival <= :from) AND {_IS_OPEN}",
        )

    def _queue_up(
        self, bucket: str, found: _Bucket, interval: int, now: int, earliest: int
    ) -> Slot:
        """Give the caller a time to ask again, one interval after that of the previous caller."""
        try:
            item = self._update_item(
                bucket,
                "SET waiting_until = waiting_until + :interval",
                {":interval": interval, ":earliest": earliest},
                "waiting_until >= :earliest",
            )
        except ConditionFailedError:
            item = self._start_queue(bucket, interval, earliest)
        return Slot(
            is_granted=False,
            wait_seconds=(item["waiting_until"] - now) / _SECOND,
            refused_seconds=_refused_seconds(found, now),
            blocked_seconds=max(0.0, (found.blocked_until - now) / _SECOND),
        )

    def _start_queue(self, bucket: str, interval: int, earliest: int) -> Item:
        """Begin a queue of waiting callers, or join the queue that another caller just began."""
        try:
            return self._update_item(
                bucket,
                "SET waiting_until = :earliest",
                {":earliest": earliest},
                "attribute_not_exists(waiting_until) OR waiting_until < :earliest",
            )
        except ConditionFailedError:
            return self._update_item(
                bucket,
                "SET waiting_until = if_not_exists(waiting_until, :earliest) + :interval",
                {":earliest": earliest, ":interval": interval},
                "attribute_exists(PK)",
            )

    def _update(
        self, bucket: str, expression: str, values: dict[str, Any], condition: str
    ) -> _Bucket:
        return _Bucket.of(self._update_item(bucket, expression, values, condition))

    def _update_item(
        self, bucket: str, expression: str, values: dict[str, Any], condition: str
    ) -> Item:
        kept = "#ttl = :ttl"
        has_set = expression.startswith("SET ")
        whole = f"SET {kept}, {expression[4:]}" if has_set else f"SET {kept} {expression}"
        return self._table.update(
            _partition(bucket),
            _SORT_KEY,
            whole,
            {**values, ":ttl": self._expiry()},
            condition,
            {"#ttl": "ttl"},
        )

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * _SECOND)

    def _expiry(self) -> int:
        return int((self._clock.now() + _KEPT).timestamp())


def _partition(bucket: str) -> str:
    return f"RATE#{bucket}"


def _granted(found: _Bucket, now: int, instant: int) -> Slot:
    return Slot(
        is_granted=True,
        wait_seconds=(instant - now) / _SECOND,
        refused_seconds=_refused_seconds(found, now),
    )


def _refused_seconds(found: _Bucket, now: int) -> float | None:
    if found.refused_since is None:
        return None
    return max(0.0, (now - found.refused_since) / _SECOND)


def _contention(bucket: str) -> ContentionError:
    return ContentionError(
        f"{_WRITE_ATTEMPTS} attempts to take a slot of {bucket} met other workers; try again"
    )
