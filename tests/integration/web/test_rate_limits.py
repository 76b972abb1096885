"""Limits of sources that many workers share, on a real table with a clock of the test's own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest

from shared.errors import BudgetExhaustedError
from shared.models.sources import RateLimit
from shared.web.rate_limits import RateLimits
from shared.web.rates import Slot
from tests.unit.table.given_time import GivenTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Far ahead, as a local AWS deletes what has expired while the test runs.
START = datetime(2126, 11, 23, 6, 0, 0, tzinfo=UTC)
WORKERS = 50
TOLERANCE_SECONDS = 1e-5  # of adding up seconds as floating-point numbers


class World:
    """The limits of one table, asked at instants that the test names."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        self.bucket = "marvel/secret"

    def limits(self, at_seconds: float) -> RateLimits:
        instant = START + timedelta(seconds=at_seconds)
        return RateLimits(self._client, self._table, GivenTime(lambda: instant))

    def take(self, at_seconds: float, rate: RateLimit, patience_seconds: float = 0.0) -> Slot:
        return self.limits(at_seconds).take(self.bucket, rate, patience_seconds)

    def hold(self, at_seconds: float, seconds: float) -> None:
        self.limits(at_seconds).hold(self.bucket, seconds, lapse_seconds=900)

    def item(self) -> dict[str, object]:
        key = {"PK": {"S": f"RATE#{self.bucket}"}, "SK": {"S": "BUCKET"}}
        return dict(self._client.get_item(TableName=self._table, Key=key).get("Item", {}))


@pytest.fixture
def world(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> World:
    return World(dynamodb_client, checkpoint_table)


def in_many_threads(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work) for _ in range(WORKERS)]:
            done.result()


def ticking(step_seconds: float) -> Callable[[], float]:
    """A clock of seconds that all threads read, and that moves with each reading."""
    ticks: Iterator[int] = count()
    lock = threading.Lock()

    def read() -> float:
        with lock:
            return next(ticks) * step_seconds

    return read


def assert_within(instants: list[float], rate: RateLimit) -> None:
    """In any window of t seconds lie at most burst + rate * t instants."""
    assert rate.calls_per_second is not None
    ordered = sorted(instants)
    for first in range(len(ordered)):
        for last in range(first, len(ordered)):
            window = ordered[last] - ordered[first] + TOLERANCE_SECONDS
            assert last - first + 1 <= rate.burst + rate.calls_per_second * window


@pytest.mark.parametrize("patience_seconds", [0.0, 1.0])
def test_fifty_workers_never_exceed_the_rate(world: World, patience_seconds: float) -> None:
    rate = RateLimit(calls_per_second=10, burst=5)
    clock = ticking(0.02)
    granted: list[float] = []
    told_to_wait: list[float] = []

    def work() -> None:
        for _ in range(6):
            now = clock()
            slot = world.take(now, rate, patience_seconds)
            (granted if slot.is_granted else told_to_wait).append(now + slot.wait_seconds)
            assert slot.wait_seconds <= patience_seconds or not slot.is_granted

    in_many_threads(work)
    assert_within(granted, rate)
    assert len(granted) + len(told_to_wait) == 6 * WORKERS
    # The clock ran for six seconds: what the rate allows was given, and the rest has to wait.
    assert len(granted) >= 40
    assert told_to_wait
    # Those who wait come back one after the other: no two at the same instant.
    ordered = sorted(told_to_wait)
    gaps = [later - earlier for earlier, later in pairwise(ordered)]
    assert min(gaps) > 0.09


def test_workers_whose_clocks_differ_share_the_rate(world: World) -> None:
    rate = RateLimit(calls_per_second=1, burst=2)
    slots = [world.take(at, rate) for at in (0.0, 5.0, 0.1, 5.1, 0.2, 5.2, 6.0, 4.0)]
    granted = [slot.is_granted for slot in slots]
    # Whoever is behind sees the slots of those ahead as taken.
    assert granted == [True, True, False, True, False, False, True, False]


def test_a_burst_then_the_rate(world: World) -> None:
    rate = RateLimit(calls_per_second=2, burst=3)
    waits = [world.take(0.0, rate, 1.0).wait_seconds for _ in range(5)]
    assert waits == pytest.approx([0, 0, 0, 0.5, 1.0])
    late = world.take(0.0, rate, 1.0)
    assert not late.is_granted
    assert late.wait_seconds == pytest.approx(1.5)
    assert world.take(0.0, rate, 1.0).wait_seconds == pytest.approx(2.0)


def test_a_burst_is_whole_again_after_a_rest(world: World) -> None:
    rate = RateLimit(calls_per_second=2, burst=3)
    for at in (0.0, 100.0):
        # Nobody waits any more: the first who has to is the first again.
        assert [world.take(at, rate).is_granted for _ in range(4)] == [True, True, True, False]


def test_a_wait_that_nobody_kept_is_forgotten_when_the_bucket_rests(world: World) -> None:
    rate = RateLimit(calls_per_second=0.1)
    waits = [world.take(0.0, rate).wait_seconds for _ in range(6)]
    assert waits == pytest.approx([0, 10, 20, 30, 40, 50])
    assert world.take(21.0, rate).is_granted  # nobody called for a while: those who wait are gone
    assert world.take(21.0, rate).wait_seconds == pytest.approx(10)


def test_a_slow_rate_of_long_intervals(world: World) -> None:
    rate = RateLimit(calls_per_second=0.001)
    assert world.take(0.0, rate).is_granted
    assert world.take(1.0, rate).wait_seconds == pytest.approx(999)
    assert world.take(1000.0, rate).is_granted


def test_a_refusal_holds_everybody_back_and_spreads_them(world: World) -> None:
    rate = RateLimit(calls_per_second=2)
    world.hold(0.0, 30.0)
    slots = [world.take(1.0, rate, 1.0) for _ in range(3)]
    assert [slot.is_granted for slot in slots] == [False] * 3
    assert [slot.wait_seconds for slot in slots] == pytest.approx([29, 29.5, 30])
    assert slots[0].blocked_seconds == pytest.approx(29)
    assert slots[0].refused_seconds == pytest.approx(1)
    soon = world.take(29.5, rate, 1.0)
    assert soon.is_granted
    assert soon.wait_seconds == pytest.approx(0.5)


@pytest.mark.parametrize("used_at", [0.0, 9.9])
def test_a_refusal_holds_back_a_bucket_in_use(world: World, used_at: float) -> None:
    rate = RateLimit(calls_per_second=1, burst=5)
    assert world.take(used_at, rate).is_granted
    world.hold(used_at, 30.0)
    assert not world.take(10.0, rate, 1.0).is_granted


def test_a_refusal_holds_back_those_without_a_limit_too(world: World) -> None:
    unlimited = RateLimit()
    assert world.take(0.0, unlimited).is_granted
    assert world.item() == {}  # nothing is kept of a bucket that neither limits nor refuses
    world.hold(0.0, 30.0)
    waits = [world.take(0.0, unlimited).wait_seconds for _ in range(3)]
    assert waits == pytest.approx([30, 30.05, 30.1])
    assert world.take(30.0, unlimited).is_granted


def test_the_longest_hold_counts_whatever_the_order(world: World) -> None:
    world.hold(0.0, 60.0)
    world.hold(1.0, 5.0)
    assert world.take(10.0, RateLimit()).blocked_seconds == pytest.approx(50)
    world.limits(10.0).end_refusal(world.bucket)
    world.hold(11.0, 5.0)
    assert world.take(20.0, RateLimit()).blocked_seconds == pytest.approx(40)


def test_refusals_count_from_the_first_one_without_a_success_in_between(world: World) -> None:
    world.hold(0.0, 10.0)
    world.hold(20.0, 10.0)
    assert world.take(25.0, RateLimit()).refused_seconds == pytest.approx(25)
    assert world.take(31.0, RateLimit()).refused_seconds == pytest.approx(31)
    world.limits(32.0).end_refusal(world.bucket)
    assert world.take(33.0, RateLimit()).refused_seconds is None
    world.hold(40.0, 10.0)
    assert world.take(45.0, RateLimit()).refused_seconds == pytest.approx(5)


def test_an_old_refusal_does_not_count_for_a_new_one(world: World) -> None:
    world.hold(0.0, 10.0)
    world.hold(10.0 + 901, 10.0)
    assert world.take(915.0, RateLimit()).refused_seconds == pytest.approx(4)


def test_a_hold_ends_after_a_day_whatever_was_asked(world: World) -> None:
    world.hold(0.0, 1e9)
    assert world.take(0.0, RateLimit()).blocked_seconds == pytest.approx(86_400)


def test_the_end_of_a_refusal_that_nobody_noted(world: World) -> None:
    world.limits(0.0).end_refusal(world.bucket)
    assert world.take(0.0, RateLimit()).refused_seconds is None


def test_buckets_are_apart(world: World) -> None:
    rate = RateLimit(calls_per_second=1)
    limits = world.limits(0.0)
    assert limits.take("a", rate, 0.0).is_granted
    assert limits.take("b", rate, 0.0).is_granted
    assert not limits.take("a", rate, 0.0).is_granted


def test_what_is_kept_of_a_bucket_expires(world: World) -> None:
    world.take(0.0, RateLimit(calls_per_second=1))
    expires = int((START + timedelta(days=3)).timestamp())
    assert world.item()["ttl"] == {"N": str(expires)}


def test_a_budget_is_never_exceeded_by_many_at_once(world: World) -> None:
    limits = world.limits(0.0)
    outcomes: list[bool] = []

    def spend() -> None:
        try:
            limits.spend_budget(world.bucket, START.date(), 12)
            outcomes.append(True)
        except BudgetExhaustedError as error:
            assert "the 12 calls a day to marvel/secret are spent for 2126-11-23" in str(error)
            outcomes.append(False)

    in_many_threads(spend)
    assert outcomes.count(True) == 12
    limits.spend_budget(world.bucket, START.date() + timedelta(days=1), 12)
