"""Commands whose output is not read to its end, each as a real process on a real pipe."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.platform.command_line import EXIT_NOT_READ

ROOT = Path(__file__).resolve().parents[3]
# Run by another command that reads all they write, or by a Python that has nothing of ours.
RUN_BY_OTHERS = {
    "scripts/arm64/function_worker.py",
    "scripts/arm64/run_isolated.py",
    "scripts/arm64/search_work.py",
    "scripts/bundling/compile_sources.py",
    "scripts/corpus_schema.py",
    "scripts/environments.py",
    "scripts/local_aws/launcher.py",
    "benchmarks/peers/one_script.py",
    "benchmarks/search_worker.py",
}

# As for a person: with this variable, argparse itself drops what it cannot write.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def status_on_closed_pipe(*arguments: str, closes_errors: bool = False) -> tuple[int, str]:
    """Exit status and standard error of a Python whose standard output has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer if closes_errors else subprocess.PIPE,
        cwd=ROOT,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        os.close(writer)
        errors = process.stderr.read() if process.stderr else ""
        return process.wait(), errors


PROGRAM = """
import os, socket, sys
from shared.platform.command_line import run_command
def main():
    {body}
sys.exit(run_command(main))
"""


@pytest.mark.parametrize(
    "body",
    [
        "print('one line, still in the buffer at the end')",
        "print('x' * 1_000_000)",
        "print('x', flush=True)",
        "print('x'); raise SystemExit(0)",
        "os.write(1, b'x')",
    ],
)
def test_a_command_that_is_not_read_ends_quietly(body: str) -> None:
    assert status_on_closed_pipe("-c", PROGRAM.format(body=body)) == (EXIT_NOT_READ, "")


def test_a_command_whose_complaint_is_not_read_ends_quietly() -> None:
    body = "print('x', file=sys.stderr, flush=True)"
    arguments = ("-c", PROGRAM.format(body=body))
    status, _ = status_on_closed_pipe(*arguments, closes_errors=True)
    assert status == EXIT_NOT_READ


def test_a_pipe_that_breaks_elsewhere_is_no_quiet_end() -> None:
    body = "a, b = socket.socketpair(); b.close(); a.send(b'x'); a.send(b'x')"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True,
    ) as process:  # fmt: skip
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "BrokenPipeError" in errors


def test_what_others_said_in_a_complaint_is_printable() -> None:
    code = "from shared.platform.command_line import complain; complain('bad \\x1b[31m\\nsecond')"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=ROOT, text=True, check=True
    )
    assert process.stderr == "error: bad \\u001b[31m\nsecond\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "services.cli", "--help"),
        ("-m", "services.cli", "corpus", "add", "--help"),
        ("-m", "scripts.demo", "--help"),
        ("-m", "scripts.demo.timed", "name", "--", "true"),
    ],
)
def test_our_commands_end_quietly(arguments: tuple[str, ...]) -> None:
    assert status_on_closed_pipe(*arguments) == (EXIT_NOT_READ, "")


def programs() -> list[Path]:
    return sorted(
        path
        for folder in ("scripts", "examples", "benchmarks", "services/cli")
        for path in (ROOT / folder).rglob("*.py")
        if "__name__ ==" in path.read_text(encoding="utf-8")
        and path.relative_to(ROOT).as_posix() not in RUN_BY_OTHERS
    )


def exits_of(path: Path) -> list[str]:
    """What each `sys.exit(…)` below `if __name__ == "__main__"` is given."""
    block = ast.parse(path.read_text(encoding="utf-8")).body[-1]
    return [
        ast.unparse(call.args[0])
        for call in ast.walk(block)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "sys.exit"
    ]


def test_there_are_programs_to_look_at() -> None:
    assert ROOT / "scripts" / "demo" / "__main__.py" in programs()


@pytest.mark.parametrize("path", programs(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_program_ends_like_that(path: Path) -> None:
    [status] = exits_of(path)
    assert status.startswith("run_command(")
