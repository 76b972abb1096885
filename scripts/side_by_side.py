"""Run parts of the work side by side and keep their outputs apart.

    python -m scripts.side_by_side [--keep-going] --lanes 2 --command make e2e:2400 lint:60 unit:900

A part is a name, given to the command as its last argument, and a deadline in seconds. The parts
begin in the order given, and each lane runs one part at a time: when a part ends, the next one
takes its lane. What a part prints appears whole when it ends. The first part that fails ends the
others, and its output comes last; its exit status is that of the whole. With --keep-going every
other part still runs, and the last line names all that failed.
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from shared.platform.command_line import run_command

_INTERRUPTED_STATUS = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Part:
    """One thing to run, and after how many seconds it is ended."""

    name: str
    deadline_seconds: float

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read `name:seconds`.

        Raises:
            argparse.ArgumentTypeError: it is no such thing.
        """
        match = re.fullmatch(r"([\w-]+):(\d+(?:\.\d+)?)", text)
        if match is None:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no part: write its name and its deadline in seconds, as in unit:900"
            )
        return cls(match[1], float(match[2]))


class Runner:
    """Runs parts in lanes; all that the threads of the lanes share is guarded by one lock."""

    def __init__(self, command: Sequence[str], directory: Path, *, keep_going: bool) -> None:
        self._command = command
        self._directory = directory
        self._keep_going = keep_going
        self._lock = threading.RLock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._failed: list[tuple[Part, int]] = []
        self._interrupted = False

    def run(self, parts: Sequence[Part], lanes: int) -> int:
        """Run every part; returns 0, or the status of the first part that failed."""
        waiting = deque(parts)
        threads = [threading.Thread(target=self._run_lane, args=[waiting]) for _ in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failed:
            part, status = self._failed[0]
            if not self._keep_going:
                self._show(part)
            return status
        return _INTERRUPTED_STATUS if self._interrupted else 0

    @property
    def failed(self) -> list[str]:
        """The names of the parts that failed, in the order in which they did."""
        return [part.name for part, _ in self._failed]

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """End everything in good order: a signal handler."""
        with self._lock:
            self._interrupted = True
            self._end_all()

    def _run_lane(self, waiting: deque[Part]) -> None:
        while begun := self._begin_next(waiting):
            part, process = begun
            self._end(part, process.wait())

    def _begin_next(self, waiting: deque[Part]) -> tuple[Part, subprocess.Popen[bytes]] | None:
        """Start the next part, unless there is none or everything is about to end."""
        with self._lock:
            if not waiting or self._interrupted or (self._failed and not self._keep_going):
                return None
            part = waiting.popleft()
            timed = [sys.executable, "-m", "scripts.demo.timed", part.name]
            timed += ["--deadline-seconds", str(part.deadline_seconds)]
            print(f"== {part.name} begins", flush=True)
            with self._path(part).open("wb") as output:
                # A separate session: an interrupt from the terminal reaches it from here only.
                process = subprocess.Popen(
                    [*timed, "--", *self._command, part.name],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment_of_parts(os.environ),
                    start_new_session=True,
                )
            self._running[part.name] = process
            return part, process

    def _end(self, part: Part, status: int) -> None:
        """Show what a part printed; the first failure ends the other parts, if it is to."""
        with self._lock:
            del self._running[part.name]
            stopping = self._interrupted or (bool(self._failed) and not self._keep_going)
            if status != 0 and not stopping:
                self._failed.append((part, status))
                if not self._keep_going:
                    self._end_the_others(part, status)
                    return
            self._show(part)

    def _end_the_others(self, part: Part, status: int) -> None:
        others = ", ".join(self._running)
        print(
            f"== {part.name} FAILED (status {status})"
            + (f"; {others} must end" if others else "")
            + "; its output comes last",
            flush=True,
        )
        self._end_all()

    def _end_all(self) -> None:
        for process in list(self._running.values()):
            process.send_signal(signal.SIGINT)

    def _show(self, part: Part) -> None:
        sys.stdout.flush()
        sys.stdout.buffer.write(self._path(part).read_bytes())
        sys.stdout.buffer.flush()

    def _path(self, part: Part) -> Path:
        return self._directory / part.name


def environment_of_parts(present: dict[str, str] | os._Environ[str]) -> dict[str, str]:
    """The environment without the job server of a `make -j`, which no part can reach."""
    flags = re.sub(r"\s*(-j\d*|--jobserver-\S+)(?=\s|$)", "", present.get("MAKEFLAGS", ""))
    return {**present, "MAKEFLAGS": flags}


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.side_by_side", description=__doc__)
    parser.add_argument("--command", required=True, help="what runs a part, as in `make`")
    parser.add_argument(
        "--keep-going", action="store_true", help="run the other parts when one has failed"
    )
    parser.add_argument("--lanes", type=int, default=2, help="how many parts run at once")
    parser.add_argument("parts", nargs="+", type=Part.parse, metavar="PART", help="name:seconds")
    options = parser.parse_args(arguments)
    if options.lanes < 1:
        parser.error(f"--lanes is {options.lanes}; one part at least must run")
    names = [part.name for part in options.parts]
    if len(set(names)) < len(names):
        parser.error(f"a part stands there twice: {' '.join(names)}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as directory:
        runner = Runner(
            shlex.split(options.command), Path(directory), keep_going=options.keep_going
        )
        for number in _SIGNALS:
            signal.signal(number, runner.interrupt)
        status = runner.run(options.parts, options.lanes)
    failed = f": {', '.join(runner.failed)}" if runner.failed else ""
    verdict = "done" if status == 0 else f"FAILED (status {status}{failed})"
    print(f"== all {len(names)} parts: {verdict} in {time.monotonic() - begun:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(run_command(main))
