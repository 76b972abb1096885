"""Which runs were cancelled, as a worker of many runs remembers it."""

from shared.runs.cancelled_runs import CancelledRuns


def test_a_worker_of_many_runs_remembers_the_last_ones_only() -> None:
    asked: list[str] = []

    def is_cancelled(run_id: str) -> bool:
        asked.append(run_id)
        return run_id == "first"

    runs = CancelledRuns(is_cancelled, lambda: 0.0)
    assert runs.has("first")
    assert runs.has("first")
    assert asked == ["first"]
    for number in range(1000):
        assert not runs.has(f"run-{number}")
    asked.clear()
    assert runs.has("first"), "a run that was forgotten is asked for again"
    assert asked == ["first"]
    assert not runs.has("run-999")
    assert asked == ["first"], "what was just asked is known"


def test_a_cancel_is_known_within_five_seconds() -> None:
    now, cancelled_at = 0.0, 1.0
    runs = CancelledRuns(lambda _: now >= cancelled_at, lambda: now)
    assert not runs.has("run")
    now = cancelled_at
    while not runs.has("run"):
        now += 0.1
    assert now <= cancelled_at + 5
