"""A table's clock for tests that say what time it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class GivenTime:
    """Says what the test gives it."""

    given: Callable[[], datetime]

    def now(self) -> datetime:
        return self.given()
