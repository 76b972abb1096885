"""The end of a child process is told, however it ends, and its parent goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.folders import ROOT
from tests.fuzz.outcome import Outcome

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fuzzing is for Linux only")

# A process without other threads makes the child, as `tests.fuzz.run` does.
PROGRAM = """
import atexit, os, signal, sys
from pathlib import Path
from tests.fuzz.child import status_of

def call():
    print("the child says")
    os.write(2, b"as a library in C does")
    {call}

status = status_of(call, Path({log!r}), {seconds})
print("status", status)
"""


def run(log: Path, call: str, seconds: float = 30) -> str:
    program = PROGRAM.format(call=call, log=str(log), seconds=seconds)
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stderr == ""
    return finished.stdout


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("pass", 0),
        ("sys.exit(77)", 77),
        ("os._exit(70)", 70),
        ("raise KeyError('a')", 1),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -11),
    ],
)
def test_the_parent_goes_on_and_knows_how_the_child_ended(
    tmp_path: Path, call: str, status: int
) -> None:
    log = tmp_path / "log.txt"
    assert run(log, call) == f"status {status}\n"
    assert "as a library in C does" in log.read_text()


def test_a_child_runs_what_is_left_for_the_exit(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    run(log, "atexit.register(os.write, 2, b'saved'); raise KeyError('a')")
    said = log.read_text()
    assert "the child says" in said
    # Python writes what it has buffered last, if it buffers at all.
    assert said.index("KeyError: 'a'") < said.index("saved")


def test_a_child_that_does_not_end_is_ended_and_reported(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    call = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    while True: pass"
    assert run(log, call, seconds=0.5) == "status -9\n"
    assert Outcome.of("csv", -9, log.read_text()).failure == "no end after 0.5 seconds"
