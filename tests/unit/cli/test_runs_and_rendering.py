"""Starting and watching runs, and how they are shown."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.errors import UnavailableError, exit_status
from services.cli.functions import raised_by_function
from services.cli.run.rendering import (
    duration,
    ending_line,
    gap_lines,
    progress_line,
    run_lines,
    run_list_lines,
    steering_line,
)
from services.cli.run.running import watch_run
from services.cli.run.watching import Meter
from services.cli.tables import shortened
from shared.errors import LeaseHeldError, NotFoundError, PostponedError, UltronError
from shared.models.run import ProblemPage, RunProgress
from tests.unit.cli.a_run import RUN_ID, a_run


class Runs:
    """Tells of a run's states one after the other; a call too many fails."""

    def __init__(self, *states: RunProgress) -> None:
        self._states = iter(states)

    def get_run(self, run_id: str) -> RunProgress:
        assert run_id == RUN_ID
        return next(self._states)


def test_a_run_is_watched_to_its_end() -> None:
    states = [a_run("planning", 0), a_run(pages_done=1), a_run("succeeded", pages_done=3)]
    shown: list[RunProgress] = []
    pauses: list[float] = []
    ended = watch_run(Runs(*states), RUN_ID, shown.append, 10, clock=lambda: 0, pause=pauses.append)
    assert ended == states[-1]
    assert shown == states
    assert len(pauses) == 2


def test_a_run_that_does_not_end_is_left_after_the_timeout() -> None:
    seconds = iter([0.0, 5.0, 10.0])
    with pytest.raises(UnavailableError, match=r"has not ended within 10 s.*run watch"):
        watch_run(
            Runs(a_run(), a_run()),
            RUN_ID,
            lambda _: None,
            10,
            clock=lambda: next(seconds),
            pause=lambda _: None,
        )


@pytest.mark.parametrize(
    ("payload", "expected", "words"),
    [
        ({"errorType": "NotFoundError", "errorMessage": "no corpus x"}, NotFoundError, "no corpus"),
        ({"errorType": "LeaseHeldError", "errorMessage": "busy"}, LeaseHeldError, "busy"),
        ({"errorType": "KeyError", "errorMessage": "x"}, UnavailableError, "x"),
        ({"errorType": "ClassVar", "errorMessage": "x"}, UnavailableError, "x"),
        ({"errorType": None}, UnavailableError, "no reason given"),
        ([], UnavailableError, "gave no reason"),
    ],
)
def test_the_functions_error_becomes_ours(
    payload: object, expected: type[UltronError], words: str
) -> None:
    error = raised_by_function(json.dumps(payload).encode())
    assert type(error) is expected
    assert words in str(error)


def test_a_failure_that_is_no_json_still_makes_an_error() -> None:
    assert isinstance(raised_by_function(b"<html>"), UnavailableError)


def test_every_error_of_the_hierarchy_has_a_failing_status() -> None:
    def below(kind: type[UltronError]) -> Iterator[type[UltronError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    def made(kind: type[UltronError]) -> UltronError:
        return PostponedError("x", 1) if kind is PostponedError else kind("x")

    assert all(exit_status(made(kind)) in {1, 2, 3, 4} for kind in below(UltronError))


def test_progress_shows_pages_and_what_has_been_counted() -> None:
    line = progress_line(a_run(pages_done=1, pages_unchanged=1, pages_gap=1, chunks=7))
    assert line == "running · pages 2/3 (1 unchanged, 1 gaps) · chunks 7"
    assert progress_line(a_run("planning", 2, pages_done=1)) == "planning · pages 1/2+"
    cancelled = progress_line(a_run("cancelled", pages_done=1, pages_cancelled=2))
    assert cancelled == "cancelled · pages 3/3 (2 cancelled)"


def test_a_run_that_is_being_cancelled_says_so() -> None:
    progress = a_run()
    asked = progress.run.model_copy(update={"cancel_requested": "2026-11-23T06:00:09+00:00"})
    progress = progress.model_copy(update={"run": asked})
    assert progress_line(progress).startswith("cancelling · ")
    assert "is being cancelled since 2026-11-23T06:00:09+00:00" in list(run_lines(progress, []))


def test_a_whole_run_names_its_reason() -> None:
    lines = list(run_lines(a_run("incomplete", reason="1 gaps of 3"), []))
    assert lines[0] == f"run {RUN_ID} of marvel (full): incomplete"
    assert "reason: 1 gaps of 3" in lines
    assert ending_line(a_run("failed", reason="why")) == f"run {RUN_ID} failed (why)"


def a_gap(number: int) -> ProblemPage:
    return ProblemPage(
        page_id=f"comics-{number}",
        endpoint="comics",
        outcome="gap",
        reason="SOURCE: answered 500",
        query={"offset": str(number), "limit": "1"},
    )


def test_a_run_is_shown_with_the_first_of_its_problems() -> None:
    lines = list(run_lines(a_run("incomplete"), [a_gap(n) for n in range(23)]))
    assert "gap comics-0: SOURCE: answered 500" in lines
    assert lines[-1] == f"and 3 more; `ultron run gaps {RUN_ID}` lists all gaps"
    assert sum(line.startswith("gap ") for line in lines) == 20


def test_gaps_show_what_was_asked_and_why_it_was_not_given() -> None:
    assert list(gap_lines([a_gap(7)])) == [
        "comics-7  comics  limit=1 offset=7",
        "   SOURCE: answered 500",
    ]
    assert list(gap_lines([])) == ["no gaps"]


def test_runs_are_listed_one_a_line() -> None:
    (line,) = run_list_lines([a_run("succeeded", pages_done=3)])
    assert line == f"{RUN_ID}  full         succeeded · pages 3/3"
    assert list(run_list_lines([])) == ["no runs yet"]


def test_steering_says_where_the_run_stands() -> None:
    summary = {"run_id": RUN_ID, "status": "cancelled", "reason": "2 pages left"}
    assert steering_line("cancel", summary) == f"cancel: run {RUN_ID} is cancelled (2 pages left)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"),
     (7500, "2 h 5 min")],
)  # fmt: skip
def test_a_time_to_wait_is_shown_roughly(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.text(), st.integers(min_value=2, max_value=200))
def test_shortened_text_is_one_line_within_its_bound(text: str, characters: int) -> None:
    line = shortened(text, characters)
    assert len(line) <= characters
    assert line.splitlines() in ([], [line])
    if len(" ".join(text.split())) <= characters:
        assert line == " ".join(text.split())


def test_speed_and_remaining_time_follow_from_the_last_seconds() -> None:
    meter = Meter(window_seconds=10)
    meter.read(0, a_run(planned=100))
    meter.read(5, a_run(planned=100, pages_done=50, chunks=10))
    meter.read(15, a_run(planned=100, pages_done=60, chunks=20, vectors=5, chunks_unchanged=5))
    pages, entities, chunks, vectors = meter.read(
        20, a_run(planned=100, pages_done=65, chunks=25, vectors=10, chunks_unchanged=5)
    )
    assert (pages.done, pages.total, pages.per_second, pages.seconds_left) == (65, 100, 1.0, 35.0)
    assert (entities.done, entities.per_second, entities.seconds_left) == (0, 0.0, None)
    assert (chunks.total, chunks.per_second) == (None, 1.0)
    assert (vectors.done, vectors.total, vectors.per_second, vectors.seconds_left) == (
        15, 25, 1.0, 10.0,
    )  # fmt: skip


def test_nothing_is_said_of_speed_before_there_are_two_readings() -> None:
    pages, *_ = Meter().read(3, a_run(pages_done=1))
    assert (pages.per_second, pages.seconds_left) == (None, None)
    pages, *_ = Meter().read(3, a_run("succeeded", pages_done=3))
    assert pages.seconds_left == 0.0


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20
    )
)
def test_speeds_are_never_negative(steps: list[tuple[float, int, int]]) -> None:
    meter = Meter()
    moment = 0.0
    for seconds, done, planned in steps:
        moment += seconds
        for stage in meter.read(moment, a_run(planned=planned, pages_done=done)):
            assert stage.per_second is None or stage.per_second >= 0
            assert stage.seconds_left is None or stage.seconds_left >= 0
