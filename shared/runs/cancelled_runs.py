"""Which runs were cancelled, as a worker knows it."""

from collections.abc import Callable

FRESH_SECONDS = 5.0
"""How old an answer may be: so soon after a cancel does every worker drop the run's jobs."""

_MOST_REMEMBERED = 100


class CancelledRuns:
    """Asks for a run's state, and remembers the answer: a cancelled run stays cancelled.

    `elapsed` are the seconds of a clock that no process can set.
    """

    def __init__(self, ask: Callable[[str], bool], elapsed: Callable[[], float]) -> None:
        self._ask = ask
        self._elapsed = elapsed
        self._answers: dict[str, tuple[bool, float]] = {}

    def has(self, run_id: str) -> bool:
        """Whether an operator had the run cancelled."""
        known = self._answers.get(run_id)
        if known is not None and (known[0] or self._elapsed() - known[1] < FRESH_SECONDS):
            return known[0]
        asked_at = self._elapsed()
        if len(self._answers) >= _MOST_REMEMBERED:
            self._answers.clear()
        is_cancelled = self._ask(run_id)
        self._answers[run_id] = (is_cancelled, asked_at)
        return is_cancelled
