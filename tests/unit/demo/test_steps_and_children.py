"""Steps show their seconds, children never outlive their parent, errors become one sentence."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.demo.answers import curl_lines
from scripts.demo.children import OverdueError, child_process, run_showing
from scripts.demo.steps import Steps
from scripts.demo.terraform import first_error
from scripts.processes.os_processes import live_group_members
from tests.terminal import on_terminal

ROOT = Path(__file__).resolve().parents[3]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)"
)

SPAWN_STUBBORN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]);"


def test_a_step_ends_with_its_seconds_and_facts() -> None:
    stream = io.StringIO()
    steps = Steps(stream)
    with steps.step("local AWS"):
        steps.detail("ran already")
        steps.detail("port 1")
    assert re.fullmatch(
        r"  local AWS \.\.\. \d+\.\d s \(ran already, port 1\)\n", stream.getvalue()
    )


def test_progress_stands_on_lines_of_its_own() -> None:
    stream = io.StringIO()
    steps = Steps(stream)
    with steps.step("ingest"):
        steps.line("pages 1/2")
        steps.line("pages 2/2")
    first, *progress, last = stream.getvalue().splitlines()
    assert first == "  ingest ... "
    assert progress == ["      pages 1/2", "      pages 2/2"]
    assert re.fullmatch(r"  ingest: \d+\.\d s", last)


def test_a_failed_step_says_so_and_does_not_hide_the_error() -> None:
    stream = io.StringIO()
    steps = Steps(stream)
    with pytest.raises(ValueError, match="why"), steps.step("build"):
        raise ValueError("why")
    assert stream.getvalue() == "  build ... failed\n"


def test_lines_come_as_they_are_printed_and_the_status_is_given() -> None:
    lines: list[str] = []
    script = "import sys; print('a'); print('b', file=sys.stderr); sys.exit(7)"
    assert run_showing([sys.executable, "-u", "-c", script], {}, ROOT, lines.append, 60) == 7
    assert lines == ["a", "b"]


def test_an_overdue_command_is_ended_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.demo.children._INTERRUPT_SECONDS", 0.2)
    lines: list[str] = []
    script = f"import os; print(os.getpid(), flush=True); {SPAWN_STUBBORN}{STUBBORN}"
    command = [sys.executable, "-c", script]
    with pytest.raises(OverdueError, match="did not end within 2 s"):
        run_showing(command, {}, ROOT, lines.append, 2)
    assert lines[1:] == ["up", "up"]
    assert not live_group_members(int(lines[0]))


def test_on_a_terminal_a_child_shows_itself_and_only_its_errors_come() -> None:
    child = "import sys; print('tty' if sys.stdout.isatty() else 'pipe'); sys.exit('why')"
    parent = f"""
import sys
from pathlib import Path
from scripts.demo.children import run_showing
from scripts.demo.steps import Steps
steps = Steps()
with steps.step("ingest"):
    steps.below()
    lines = []
    child = [sys.executable, "-c", {child!r}]
    status = run_showing(child, {{}}, Path("."), lines.append, 60, on_terminal=True)
print(status, lines)
"""
    with on_terminal([sys.executable, "-c", parent], 80) as command:
        assert command.wait() == 0, command.written
    announced, shown, ended, result = command.written.splitlines()
    assert (announced, shown, result) == ("  ingest ... ", "tty", "1 ['why']")
    assert re.fullmatch(r"  ingest: \d+\.\d s", ended)


def test_what_a_child_says_does_not_forge_a_line() -> None:
    stream = io.StringIO()
    steps = Steps(stream)
    with steps.step("ingest"):
        steps.line("a\x1b[2K\rb")
        steps.detail("c\nd")
    _, line, last = stream.getvalue().splitlines()
    assert line == "      a\\u001b[2K b"
    assert last.endswith("(c d)")


def test_a_stubborn_child_and_its_children_end_with_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scripts.demo.children._INTERRUPT_SECONDS", 0.2)
    script = SPAWN_STUBBORN + STUBBORN
    command = [sys.executable, "-c", script]
    with pytest.raises(KeyboardInterrupt), child_process(command, {}, ROOT) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        assert len(live_group_members(process.pid)) == 2
        raise KeyboardInterrupt
    assert process.returncode is not None
    assert not live_group_members(process.pid)


TERRAFORM_FAILURE = """
Plan: 1 to add
╷
│ Error: creating S3 Bucket (b): BucketAlreadyExists
│
│   with module.storage.aws_s3_bucket.this,
╵
╷
│ Error: another
╵
"""


def test_the_first_terraform_error_becomes_one_line() -> None:
    assert first_error(TERRAFORM_FAILURE.splitlines()) == (
        "creating S3 Bucket (b): BucketAlreadyExists with module.storage.aws_s3_bucket.this,"
    )


@pytest.mark.parametrize("lines", [[], ["all well"]])
def test_terraform_without_an_error_line_still_makes_a_sentence(lines: list[str]) -> None:
    assert first_error(lines) == "it gave no reason"


def test_curl_lines_survive_a_shell() -> None:
    for line in curl_lines("http://127.0.0.1:1/_aws/execute-api/a/prod", "k'; touch x"):
        words = subprocess.run(
            ["sh", "-c", f'show() {{ printf "%s\\n" "$@"; }}; {line.replace("curl", "show", 1)}'],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert "x-api-key: k'; touch x" in words
        assert any(word.startswith("http://127.0.0.1:1/_aws/execute-api/a/prod/") for word in words)
