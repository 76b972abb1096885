"""A way to the scripted server for tests of sources: no limit, and no time passes."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from shared.errors import BudgetExhaustedError
from shared.models.sources import RateLimit
from shared.web.client import SourceClient
from shared.web.http_get import HttpClient, HttpLimits
from shared.web.outbound import AllowedHosts, OutboundGuard
from shared.web.rates import Slot
from shared.web.retry import RetryPolicy, Timing, WaitPolicy

NOW = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)
LOCAL = OutboundGuard(AllowedHosts.parse("127.0.0.1"))


@dataclass
class OpenRates:
    """Grants every place at once, and holds no bucket back; keeps what it was told."""

    budget: int = 1_000_000
    held: list[tuple[str, float]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    spent: list[date] = field(default_factory=list)

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        self.taken.append(bucket)
        if self.held and self.held[-1][1] > 0:
            seconds = self.held[-1][1]
            is_granted = seconds <= patience_seconds
            if is_granted:
                self.held.append((bucket, 0.0))
            return Slot(is_granted, seconds, 0.0, 0.0 if is_granted else seconds)
        return Slot(is_granted=True, wait_seconds=0.0)

    def hold(self, bucket: str, seconds: float, lapse_seconds: float) -> None:
        self.held.append((bucket, seconds))

    def end_refusal(self, bucket: str) -> None:
        self.held.append((bucket, 0.0))

    def spend_budget(self, bucket: str, day: date, limit: int) -> None:
        if len(self.spent) >= min(self.budget, limit):
            raise BudgetExhaustedError("spent")
        self.spent.append(day)


@dataclass
class StillTime:
    """Clocks that move only when somebody sleeps, by the whole jitter."""

    pauses: list[float] = field(default_factory=list)

    @property
    def timing(self) -> Timing:
        return Timing(
            now=lambda: NOW,
            monotonic=lambda: sum(self.pauses),
            sleep=self.pauses.append,
            uniform=max,
        )


def local_http(limits: HttpLimits | None = None) -> HttpClient:
    """HTTP that may call servers on this machine."""
    return HttpClient(limits, guard=LOCAL)


def local_client(
    rates: OpenRates | None = None,
    time: StillTime | None = None,
    *,
    rate: RateLimit | None = None,
    wait_policy: WaitPolicy | None = None,
    retry_policy: RetryPolicy | None = None,
) -> SourceClient:
    """A client of servers on this machine, whose bucket is `test`."""
    return SourceClient(
        local_http(),
        "test",
        rate or RateLimit(),
        rates or OpenRates(),
        retry_policy=retry_policy,
        wait_policy=wait_policy,
        timing=(time or StillTime()).timing,
    )
