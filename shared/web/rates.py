"""What a source's callers share: rate-limit slots, refusals, a daily budget."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from shared.models.sources import RateLimit


@dataclass(frozen=True, slots=True)
class Slot:
    """The answer to a caller that asks for a rate-limit slot of a source.

    With `is_granted` the caller may make the call after `wait_seconds`, and it has been counted;
    without, the caller asks again after `wait_seconds`, which differ from caller to caller.
    `refused_seconds` says for how long the source has refused every call, None when its last answer
    was none such; `blocked_seconds` for how long from now it asked not to be called.
    """

    is_granted: bool
    wait_seconds: float
    refused_seconds: float | None = None
    blocked_seconds: float = 0.0


class SharedRates(Protocol):
    """The limits of sources, shared by all workers; a bucket is what has its own limit."""

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        """Ask for a rate-limit slot that is free within `patience_seconds`."""
        ...

    def hold(self, bucket: str, seconds: float, lapse_seconds: float) -> None:
        """Grant no slot for so long, because the source refused a call.

        A refusal that comes more than `lapse_seconds` after the end of the last one is a new one.
        """
        ...

    def end_refusal(self, bucket: str) -> None:
        """Note that the source answers again."""
        ...

    def spend_budget(self, bucket: str, day: date, limit: int) -> None:
        """Count one call of a day; raises `BudgetExhaustedError` when the day's are spent."""
        ...
