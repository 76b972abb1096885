"""A timed command keeps its status; an overdue one is ended with all that it started, and named."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from scripts.processes.os_processes import process_identity

ROOT = Path(__file__).resolve().parents[3]
# Starts a child with a separate session, as the servers of a suite have, and waits.
PARENT = """
import signal, subprocess, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(601)"], start_new_session=True
)
open(sys.argv[1], "w").write(str(child.pid))
try:
    time.sleep(600)
except KeyboardInterrupt:
    child.kill()
    print("cleared up", flush=True)
    raise SystemExit(5)
"""


def timed(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo.timed", "part", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(("code", "verdict"), [(0, "done"), (3, "FAILED (status 3)")])
def test_a_timed_command_keeps_its_status(code: int, verdict: str) -> None:
    process = timed(
        "--deadline-seconds", "60", "--", sys.executable, "-c", f"raise SystemExit({code})"
    )
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert re.search(rf"== part: {re.escape(verdict)} in \d+ s, \d+ s of processor\n$", printed)


def test_the_processor_time_of_grandchildren_is_counted() -> None:
    work = "import time\nwhile time.process_time() < 1.5: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    printed, _ = timed("--", sys.executable, "-c", parent).communicate(timeout=60)
    seconds = re.search(r"(\d+) s of processor", printed)
    assert seconds is not None and int(seconds[1]) >= 1


@pytest.mark.parametrize("arguments", [[], ["--"], ["--deadline-seconds", "x", "--", "true"]])
def test_wrong_use_is_said(arguments: list[str]) -> None:
    process = timed(*arguments)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "usage:" in printed


def test_an_overdue_command_may_clear_up_and_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "child"), "polite"]
    process = timed("--deadline-seconds", "5", "--", *command)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 124
    assert "cleared up" in printed
    assert re.search(r"running then:\n(     .*\n)+     .*time\.sleep\(601\)", printed)
    assert "== part: ENDED after its deadline of 5 s (status 124)" in printed


def test_an_overdue_command_that_is_deaf_is_killed_with_what_left_its_session(
    tmp_path: Path,
) -> None:
    impatient = (
        "import sys; from scripts.demo import timed; timed.CLEARING_UP_SECONDS = 0.2;"
        "sys.exit(timed.main(sys.argv[1:]))"
    )
    child = tmp_path / "child"
    command = [sys.executable, "-c", PARENT, str(child), "deaf"]
    done = subprocess.run(
        [sys.executable, "-c", impatient, "part", "--deadline-seconds", "5", "--", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    try:
        assert done.returncode == 124
        assert process_identity(int(child.read_text())) is None
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(child.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_reaches_the_command(number: signal.Signals) -> None:
    script = (
        "import signal, sys, time\n"
        "for n in (signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(n, lambda n, _: sys.exit(40 + n))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    process = timed("--", sys.executable, "-u", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "== part\n"
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 40 + number
