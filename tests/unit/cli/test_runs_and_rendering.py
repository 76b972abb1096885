"""Starting and watching runs, and how they are shown."""

import io
import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.errors import UnavailableError, exit_status
from services.cli.functions import raised_by_function
from services.cli.progress import ProgressDisplay
from services.cli.rendering import ending_line, progress_line, run_lines, shortened
from services.cli.runs import watch_run
from shared.errors import LeaseHeldError, NotFoundError, PostponedError, UltronError
from shared.models.run import RunProgress, RunRecord, RunStatus

RUN_ID = "20261123T060000Z-1a2b3c4d"


def a_run(
    status: RunStatus = "running",
    planned: int = 3,
    reason: str | None = None,
    **counters: int,
) -> RunProgress:
    record = RunRecord(
        run_id=RUN_ID,
        corpus="marvel",
        mode="full",
        status=status,
        seq=1,
        started_at="2026-11-23T06:00:00+00:00",
        pages_planned=planned,
        reason=reason,
    )
    return RunProgress(run=record, **counters)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Runs:
    """Tells of a run's states one after the other; a call too many fails."""

    def __init__(self, *states: RunProgress) -> None:
        self._states = iter(states)

    def get_run(self, run_id: str) -> RunProgress:
        assert run_id == RUN_ID
        return next(self._states)


def test_a_run_is_watched_to_its_end() -> None:
    states = [a_run("planning", None), a_run(pages_done=1), a_run("succeeded", pages_done=3)]
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
    assert progress_line(a_run("planning", None)) == "planning · pages 0/?"


def test_a_whole_run_names_its_reason() -> None:
    lines = list(run_lines(a_run("incomplete", reason="1 gaps of 3")))
    assert lines[0] == f"run {RUN_ID} of marvel (full): incomplete"
    assert "reason: 1 gaps of 3" in lines
    assert ending_line(a_run("failed", reason="why")) == f"run {RUN_ID} failed (why)"


@given(st.text(), st.integers(min_value=2, max_value=200))
def test_shortened_text_is_one_line_within_its_bound(text: str, characters: int) -> None:
    line = shortened(text, characters)
    assert len(line) <= characters
    assert line.splitlines() in ([], [line])
    if len(" ".join(text.split())) <= characters:
        assert line == " ".join(text.split())


def ticking(*seconds: float) -> Callable[[], float]:
    readings = iter(seconds)
    return lambda: next(readings)


def test_a_file_gets_a_line_every_few_seconds_and_the_end() -> None:
    stream = io.StringIO()
    display = ProgressDisplay(stream, ticking(0, 1, 6, 6, 6.5, 6.5))
    for progress in (
        a_run(),
        a_run(),
        a_run(pages_done=1),
        a_run(pages_done=2),
        a_run("succeeded", pages_done=3),
    ):
        display.show(progress)
    display.close()
    assert stream.getvalue().splitlines() == [
        "running · pages 0/3",
        "running · pages 2/3",
        "succeeded · pages 3/3",
    ]


def test_a_terminal_keeps_one_line() -> None:
    stream = Terminal()
    display = ProgressDisplay(stream, ticking(0, 1))
    display.show(a_run(pages_done=1, chunks=5))
    display.show(a_run("succeeded", pages_done=3))
    display.close()
    first, second = stream.getvalue().removeprefix("\r").removesuffix("\n").split("\r")
    assert first == "running · pages 1/3 · chunks 5"
    assert second.rstrip() == "succeeded · pages 3/3"
    assert len(second) >= len(first), "what stood there is covered"
