"""The command as a process: its bar on a real terminal, and its end on a pipe that is not read."""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from shared.platform.command_line import EXIT_NOT_READ
from tests.integration.cli.site import Site
from tests.integration.line.run_of_pages import Line
from tests.terminal import Screen, on_terminal

COLUMNS = 60


@pytest.fixture
def line(site: Site) -> Line:
    line = Line(site.dynamodb, site.table_name)
    line.source.planned = ["a", "b", "c"]
    return line


@pytest.fixture
def environment(site: Site) -> dict[str, str]:
    """What the command finds the deployment by; buffered, as for a person."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return own | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TERM": "xterm",
    }


def ultron(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "services.cli", *arguments]


def test_a_run_is_watched_on_one_line_of_a_terminal(
    line: Line, environment: dict[str, str]
) -> None:
    run_id = line.start().run_id
    with on_terminal(ultron("run", "watch", run_id), COLUMNS, environment) as command:
        command.read_until("pages 0/3")
        line.work()
        assert command.wait() == 0, command.written
    screen = Screen(COLUMNS, command.written)
    bar, ending, after = screen.lines
    assert bar.startswith("succeeded  [####")
    assert "]  pages 3/3" in bar
    assert (ending, after) == (f"run {run_id} succeeded", "")
    assert not screen.wrapped
    assert "?" not in command.written


def test_a_terminal_that_cannot_redraw_gets_lines(line: Line, environment: dict[str, str]) -> None:
    run_id = line.start().run_id
    line.work()
    dumb = environment | {"TERM": "dumb"}
    with on_terminal(ultron("run", "watch", run_id), COLUMNS, dumb) as command:
        assert command.wait() == 0, command.written
    assert "\x1b" not in command.written
    assert command.written.splitlines()[-1] == f"run {run_id} succeeded"


def test_a_complaint_comes_below_the_bar(line: Line, environment: dict[str, str]) -> None:
    run_id = line.start().run_id
    watching = ultron("run", "watch", run_id, "--timeout", "0.01")
    with on_terminal(watching, COLUMNS, environment) as command:
        assert command.wait() == 1
    bar, error, *_ = Screen(200, command.written).lines
    assert bar.startswith("running")
    assert error.startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("dlq", "list"),
        ("dlq", "list", "--json"),
        ("corpus", "list"),
        ("run", "list", "--corpus", "CORPUS"),
        ("run", "watch", "RUN"),
        ("run", "show", "RUN"),
        ("run", "show", "20261123T060000Z-ffffffff"),  # which it complains of
    ],
)
def test_a_command_that_is_not_read_ends_quietly(
    arguments: Sequence[str], line: Line, environment: dict[str, str]
) -> None:
    run_id = line.start().run_id
    line.work()
    reader, writer = os.pipe()
    os.close(reader)
    names = {"RUN": run_id, "CORPUS": line.corpus}
    command = ultron(*(names.get(argument, argument) for argument in arguments))
    is_complaint = "20261123T060000Z-ffffffff" in arguments
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer if is_complaint else subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        os.close(writer)
        errors = process.stderr.read() if process.stderr else ""
        assert (process.wait(), errors) == (EXIT_NOT_READ, "")
