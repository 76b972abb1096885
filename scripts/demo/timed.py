"""Run a command and say how long it took: `python -m scripts.demo.timed NAME -- COMMAND…`.

With `--deadline-seconds N` before the `--` the command is ended after that time, with all that it
started: asked first, so that it can clear up, then killed. What was running is printed, and the
status is 124. Standard library only: it also times what makes the environments.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

OVERDUE_STATUS = 124
_INTERRUPTED_STATUS = 130
# A test suite that is interrupted stops its servers.
CLEARING_UP_SECONDS = 60.0


def main(arguments: list[str]) -> int:
    """Run the command after `--`; returns its exit status."""
    before, separator, command = _split(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m scripts.demo.timed", usage="%(prog)s NAME [options] -- COMMAND ..."
    )
    parser.add_argument("name")
    parser.add_argument("--deadline-seconds", type=float, help="when the command is ended")
    options = parser.parse_args(before)
    if not separator or not command:
        parser.error("a command must stand behind `--`")
    print(f"== {options.name}", flush=True)
    begun = time.monotonic()
    status = _run(command, options.deadline_seconds)
    seconds = time.monotonic() - begun
    verdict = "done" if status == 0 else f"FAILED (status {status})"
    if status == OVERDUE_STATUS:
        verdict = f"ENDED after its deadline (status {status})"
    print(f"== {options.name}: {verdict} in {seconds:.0f} s", flush=True)
    return status


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """What stands before the first `--`, whether there is one, and what stands behind it."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], place < len(arguments), arguments[place + 1 :]


def _run(command: list[str], deadline_seconds: float | None) -> int:
    """Run it in a session of its own, so that its processes can be ended together."""
    started: list[int] = []
    asked: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for leader in started:
            _signal_session(leader, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    process = subprocess.Popen(command, start_new_session=True)
    started.append(process.pid)
    if asked:  # while it was being started
        _signal_session(process.pid, signal.SIGINT)
    try:
        status = process.wait(deadline_seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        return OVERDUE_STATUS
    return _INTERRUPTED_STATUS if status == -signal.SIGINT else status


def _end(process: subprocess.Popen[bytes]) -> None:
    """Say what runs, ask it to end, and kill what is left of it."""
    print("== the deadline is over; running then:", flush=True)
    subprocess.run(["ps", "-o", "pid,etime,args", "-g", str(process.pid)], check=False)
    _signal_session(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):  # then what is left is killed
        process.wait(CLEARING_UP_SECONDS)
    _signal_session(process.pid, signal.SIGKILL)
    process.wait()


def _signal_session(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
