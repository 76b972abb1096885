"""A run's progress: a bar on a terminal, lines elsewhere, and nothing that is not known."""

import io
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.run.progress import ProgressDisplay
from services.cli.run.rendering import watch_bar, watch_line
from services.cli.run.watching import Meter
from shared.models.run import RunStatus
from tests.terminal import Screen, on_terminal
from tests.unit.cli.a_run import a_run

DRAWING = """
import sys
from services.cli.output import write_line, write_notice
from services.cli.run.progress import ProgressDisplay
from tests.unit.cli.a_run import a_run

with ProgressDisplay(sys.stdout, can_redraw=True) as display:
    display.show(a_run("planning", planned=2))
    for done in range(4):
        display.show(a_run(planned=4, pages_done=done, chunks=1000 * done, vectors=10 * done))
    write_notice("slow: \x1b[31m")
    display.show(a_run("succeeded", planned=4, pages_done=4, chunks=3000, vectors=3000))
write_line("run r succeeded")
"""


def shown_on_terminal(code: str, columns: int) -> str:
    """What Python code writes to a terminal so wide."""
    with on_terminal([sys.executable, "-c", code], columns) as command:
        assert command.wait() == 0, command.written
        return command.written


@pytest.mark.parametrize("columns", [20, 80])
def test_a_terminal_shows_one_line_that_is_redrawn_and_never_wraps(columns: int) -> None:
    written = shown_on_terminal(DRAWING, columns)
    screen = Screen(columns, written)
    assert not screen.wrapped
    notice, bar, ending, after = screen.lines
    assert notice == "slow: \\u001b[31m"
    assert bar.startswith("succeeded")
    assert (ending, after) == ("run r succeeded", "")
    assert written.count("\r") >= 6, "each reading is drawn over the one before"
    assert "?" not in written


def test_a_wide_terminal_shows_bar_counts_and_what_is_known() -> None:
    *_, bar, _, _ = screen_lines(shown_on_terminal(DRAWING, 120), 120)
    assert bar == "succeeded  [" + "#" * 21 + "]  pages 4/4  chunks 3000  vectors 3000/3000"
    *_, bar, _, _ = screen_lines(shown_on_terminal(DRAWING, 60), 60)
    assert bar == "succeeded  [#########]  pages 4/4  vectors 3000/3000"


def screen_lines(written: str, columns: int) -> list[str]:
    return Screen(columns, written).lines


def test_a_terminal_of_no_known_width_is_taken_for_a_usual_one() -> None:
    assert not Screen(80, shown_on_terminal(DRAWING, 0)).wrapped


@pytest.mark.parametrize("columns", range(1, 140))
def test_a_bar_fits_whatever_the_width_or_says_what_matters_most(columns: int) -> None:
    progress = a_run(planned=4, pages_done=2, pages_gap=1, entities=9, chunks=90, vectors=30)
    bar = watch_bar(progress, Meter().read(0, progress), columns)
    assert bar.startswith("running  ")
    assert "pages 3/4" in bar
    assert bar.endswith("1 gaps")
    assert len(bar) <= max(columns, len("running  pages 3/4  1 gaps"))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_bar_moves_by_what_is_done_alone(columns: int) -> None:
    meter = Meter()
    bars = []
    for moment, done in enumerate((0, 0, 1, 2, 3, 4)):
        progress = a_run(planned=4, pages_done=done, chunks=10**done, vectors=done)
        line = watch_bar(progress, meter.read(moment, progress), columns)
        bars.append(line[line.index("[") : line.index("]")])
    assert len({len(bar) for bar in bars}) == 1
    assert [bar.count("#") for bar in bars] == sorted(bar.count("#") for bar in bars)
    assert bars[0].count("#") == 0
    assert "." not in bars[-1]


def test_a_run_that_is_planned_has_no_bar_as_its_end_is_not_known() -> None:
    progress = a_run("planning", planned=2, pages_done=1)
    assert watch_bar(progress, Meter().read(0, progress), 80) == "planning  pages 1/2+"


def ticking(*seconds: float) -> Callable[[], float]:
    readings = iter(seconds)
    return lambda: next(readings)


def test_a_file_gets_a_line_when_something_changed_and_the_end() -> None:
    stream = io.StringIO()
    display = ProgressDisplay(stream, ticking(0, 1, 6, 6.5, 7, 20), can_redraw=True)
    for progress in (
        a_run(),
        a_run(),
        a_run(pages_done=2, entities=12),
        a_run(pages_done=2, entities=14),
        a_run("succeeded", pages_done=3),
        a_run("succeeded", pages_done=3),
    ):
        display.show(progress)
    assert stream.getvalue().splitlines() == [
        "running · pages 0/3",
        "running · pages 2/3 0.3/s left 3 s · entities 12 2.0/s",
        "succeeded · pages 3/3",
    ]


def test_a_file_gets_no_line_twice_for_what_the_line_does_not_show() -> None:
    stream, now = io.StringIO(), iter(range(0, 600, 60))
    with ProgressDisplay(stream, lambda: next(now), can_redraw=True) as display:
        for records in (0, 7, 9):
            display.show(a_run(planned=4, raw_records=records))
        display.show(a_run(planned=4, raw_records=9, pages_done=1))
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(set(lines)) == 2


def test_a_terminal_that_cannot_redraw_gets_lines() -> None:
    code = DRAWING.replace("can_redraw=True", "can_redraw=False")
    written = shown_on_terminal(code, 80)
    assert "\x1b" not in written
    assert written.splitlines()[0] == "planning · pages 0/2+"


COUNTS = st.integers(0, 10**6)


@given(
    st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), min_size=1, max_size=5),
    st.sampled_from(["planning", "running", "succeeded", "incomplete"]),
    st.integers(1, 200),
)
def test_what_is_not_known_is_left_out(
    readings: list[tuple[int, int, int, int]], status: RunStatus, columns: int
) -> None:
    meter = Meter()
    for moment, (planned, done, chunks, vectors) in enumerate(readings):
        progress = a_run(status, planned, pages_done=done, chunks=chunks, vectors=vectors)
        stages = meter.read(moment, progress)
        for text in (watch_line(progress, stages), watch_bar(progress, stages, columns)):
            assert "?" not in text
            assert "None" not in text
            assert " 0.0/s" not in text
            assert "left 0 s" not in text or (done < planned or vectors < chunks)
