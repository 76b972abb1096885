"""The table's time, read off the real answers of a local AWS."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import TableTimeError
from shared.table.table_clock import ResponseClock, parse_http_date, utc_now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Machine:
    """A separate client, and the clocks of the machine it is on."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.client = client
        self.wall = NOON
        self.elapsed = 0.0
        self.asked = 0
        self.date: str | None = "Mon, 23 Nov 2026 12:00:00 GMT"
        client.meta.events.register("before-call.dynamodb", self._count)
        client.meta.events.register_first("after-call.dynamodb", self._date)
        self.clock = ResponseClock(client, table, lambda: self.wall, lambda: self.elapsed)

    def _count(self, **_: Any) -> None:
        self.asked += 1

    def _date(self, parsed: dict[str, Any], **_: Any) -> None:
        headers = parsed["ResponseMetadata"]["HTTPHeaders"]
        headers.pop("date", None)
        if self.date is not None:
            headers["date"] = self.date


@pytest.fixture
def machine(aws_client: Callable[[str], Any], checkpoint_table: str) -> Machine:
    return Machine(aws_client("dynamodb"), checkpoint_table)


@pytest.mark.parametrize("hours", [-6, 6, 24 * 365])
def test_the_time_is_that_of_the_real_answers_whatever_the_machine_believes(
    aws_client: Callable[[str], Any], checkpoint_table: str, hours: int
) -> None:
    skewed = ResponseClock(
        aws_client("dynamodb"), checkpoint_table, lambda: utc_now() + timedelta(hours=hours),
        lambda: 0.0,
    )  # fmt: skip
    # The local AWS is on this machine, so that its clock is ours.
    assert abs(skewed.now() - utc_now()) < timedelta(hours=1)


def test_a_right_clock_is_believed_to_the_millisecond(machine: Machine) -> None:
    machine.wall = NOON + timedelta(milliseconds=734)
    assert machine.clock.now() == machine.wall


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    skew=st.timedeltas(timedelta(days=-400), timedelta(days=400)),
    passed=st.floats(0, 4.9, allow_nan=False),
)
def test_no_clock_is_believed_beyond_the_second_that_an_answer_leaves_open(
    machine: Machine, skew: timedelta, passed: float
) -> None:
    machine.elapsed += 1000
    machine.wall = NOON + skew
    machine.clock.now()
    machine.elapsed += passed
    earliest = NOON + timedelta(seconds=passed)
    tolerance = timedelta(microseconds=10)  # of adding up seconds as floating-point numbers
    assert earliest - tolerance <= machine.clock.now() <= earliest + SECOND + tolerance


def test_the_table_is_asked_only_where_nothing_was_heard_of_it_for_five_seconds(
    machine: Machine,
) -> None:
    machine.clock.now()
    machine.elapsed += 4.9
    machine.clock.now()
    assert machine.asked == 1
    machine.client.list_tables()
    machine.elapsed += 4.9
    machine.clock.now()
    assert machine.asked == 2
    machine.elapsed += 0.1
    machine.clock.now()
    assert machine.asked == 3


def test_an_answer_that_is_an_error_tells_the_time_as_well(machine: Machine) -> None:
    with pytest.raises(machine.client.exceptions.ResourceNotFoundException):
        machine.client.describe_table(TableName="no-such-table")
    assert machine.clock.now() == NOON
    assert machine.asked == 1


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Nov 2026 12:00:00 GMT"])
def test_without_a_date_nothing_is_decided(machine: Machine, date: str | None) -> None:
    machine.clock.now()
    machine.date = date
    machine.elapsed += 60
    with pytest.raises(TableTimeError, match="has no usable Date header"):
        machine.clock.now()


def test_a_date_that_is_sent_twice_is_read_once() -> None:
    date = "Mon, 23 Nov 2026 12:00:00 GMT"
    assert parse_http_date(f"{date}, {date}") == NOON
