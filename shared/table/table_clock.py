"""The time by which leases are decided: that of the table, as its answers tell it.

Workers, and the machine of an operator, have clocks that differ by minutes, or by hours where one
is set wrong. What one of them wrote must not be compared with what another one believes the time
to be: a lease would look expired that is not. DynamoDB dates every answer, so there is one clock
that all of them can read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import TableTimeError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_READ_AGAIN_AFTER_SECONDS = 5.0
_RESOLUTION = timedelta(seconds=1)
# An empty partition that every function may read.
_KEY = {"PK": {"S": "RUN#CLOCK"}, "SK": {"S": "CLOCK"}}
# Some local AWS send the header twice, which arrives as one value.
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present time in UTC, by this machine's clock."""
    return datetime.now(UTC)


class TableClock(Protocol):
    """Tells the time that all who use a table agree on."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class _Reading:
    """What an answer said, and when it came, in seconds of a clock that no process can set."""

    table_time: datetime
    read_at: float


class ResponseClock:
    """Reads the time from the `Date` of every answer that a client gets from DynamoDB.

    Between answers it goes on by `elapsed`, seconds of a clock that no process can set. `wall`, the
    machine's own clock, is believed within the second that the header leaves open, and no further:
    so the time is exact where that clock is right, and a second off where it is wrong. Where there
    was no answer for five seconds, it asks the table.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        wall: Callable[[], datetime],
        elapsed: Callable[[], float],
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._wall = wall
        self._elapsed = elapsed
        self._reading: _Reading | None = None
        client.meta.events.register("after-call.dynamodb", self._note)

    def now(self) -> datetime:
        """Return the time, in UTC.

        Raises:
            TableTimeError: the answers have no date.
        """
        reading = self._fresh_reading()
        passed = timedelta(seconds=self._elapsed() - reading.read_at)
        earliest = reading.table_time + passed
        return min(max(self._wall(), earliest), earliest + _RESOLUTION)

    def _fresh_reading(self) -> _Reading:
        before = self._reading
        if before is not None and self._elapsed() - before.read_at < _READ_AGAIN_AFTER_SECONDS:
            return before
        self._client.get_item(TableName=self._table_name, Key=_KEY)
        found = self._reading
        if found is None or found is before:
            raise TableTimeError(
                f"an answer about table {self._table_name} has no usable Date header, so that it "
                "is not known which leases have expired; if a proxy or a local AWS stands before "
                "DynamoDB, let it send that header"
            )
        return found

    def _note(self, parsed: dict[str, Any], **_: Any) -> None:
        headers = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if (table_time := parse_http_date(headers.get("date", ""))) is not None:
            self._reading = _Reading(table_time, self._elapsed())


def parse_http_date(text: str) -> datetime | None:
    """Read the `Date` header of an answer (RFC 9110, IMF-fixdate); None where it is none."""
    found = _HTTP_DATE.match(text)
    if found is None:
        return None
    try:
        return parsedate_to_datetime(found[0]).astimezone(UTC)
    except ValueError:  # digits, but no date
        return None
