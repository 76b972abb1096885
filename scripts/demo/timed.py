"""Run a command and say how long it took: `python -m scripts.demo.timed NAME -- COMMAND…`.

The time on the processors is that of the command and of all children that it waited for.

With `--deadline-seconds N` before the `--` the command is ended after that time, with all that it
started: asked first, so that it can clear up, then killed. What was running is printed, and the
status is 124.
"""

import argparse
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

import psutil

from scripts.processes.errors import LocalProcessError
from scripts.processes.os_processes import signal_group, with_descendants
from shared.platform.command_line import complain, run_command

OVERDUE_STATUS = 124
_INTERRUPTED_STATUS = 130
# A test suite that is interrupted stops its servers and destroys its stack.
CLEARING_UP_SECONDS = 60.0
_SHOWN_COMMANDS = 12
_SHOWN_CHARACTERS = 160


def main(arguments: list[str]) -> int:
    """Run the command after `--`; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.demo.timed", usage="%(prog)s NAME [options] -- COMMAND ..."
    )
    parser.add_argument("name")
    parser.add_argument("--deadline-seconds", type=float, help="when it is ended")
    before, separator, command = _split(arguments)
    options = parser.parse_args(before)
    if not separator or not command:
        parser.error("a command must stand behind `--`")
    print(f"== {options.name}", flush=True)
    begun = time.monotonic()
    try:
        status = _run(command, options.deadline_seconds)
    except LocalProcessError as error:
        complain(error)
        status = 1
    seconds = time.monotonic() - begun
    if status == OVERDUE_STATUS and options.deadline_seconds is not None:
        verdict = f"ENDED after its deadline of {options.deadline_seconds:.0f} s (status {status})"
    else:
        verdict = "done" if status == 0 else f"FAILED (status {status})"
    times = f"{seconds:.0f} s, {_processor_seconds():.0f} s of processor"
    print(f"== {options.name}: {verdict} in {times}", flush=True)
    return status


def _processor_seconds() -> float:
    """The processor time of every child that has ended and was waited for (getrusage(2))."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """What stands before the first `--`, whether there is one, and what stands behind it."""
    if "--" not in arguments:
        return arguments, False, []
    place = arguments.index("--")
    return arguments[:place], True, arguments[place + 1 :]


def _run(command: list[str], deadline_seconds: float | None) -> int:
    """Run it in a separate session, so that its processes can be ended together."""
    started: list[int] = []
    asked: list[signal.Signals] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(signal.Signals(number))
        for leader in started:
            signal_group(leader, asked[-1])

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    process = subprocess.Popen(command, start_new_session=True)
    started.append(process.pid)
    if asked:  # while it was being started
        signal_group(process.pid, asked[-1])
    try:
        status = process.wait(deadline_seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        return OVERDUE_STATUS
    return _INTERRUPTED_STATUS if status == -signal.SIGINT else status


def _end(process: subprocess.Popen[bytes]) -> None:
    """Say what runs, ask it to end, and kill what is left of it, whatever its session."""
    running = with_descendants(process.pid)
    print("== the deadline is over; running then:", flush=True)
    lines = [line for each in running if (line := _command_line(each))]
    for line in lines[-_SHOWN_COMMANDS:]:
        print(f"     {line[:_SHOWN_CHARACTERS]}", flush=True)
    signal_group(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):  # then what is left is killed
        process.wait(CLEARING_UP_SECONDS)
    for each in dict.fromkeys([*running, *with_descendants(process.pid)]):
        with suppress(psutil.NoSuchProcess):  # it has ended
            each.kill()
    process.wait()


def _command_line(process: psutil.Process) -> str:
    """The command that a process runs in one line, empty when it has ended or is not ours."""
    with suppress(psutil.Error):
        return " ".join(" ".join(process.cmdline()).split())
    return ""


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
