"""What libFuzzer said of a run, as one line."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.folders import ROOT

_PROGRESS = re.compile(r"^#(\d+)\s.*?\bft: (\d+) corp: (\d+)", re.MULTILINE)
_EXECUTED = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_INPUT = re.compile(r"Test unit written to (\S+)")
_EXCEPTION = re.compile(r"=== Uncaught Python exception: ===\n(.*)")
_SUMMARY = re.compile(r"^SUMMARY: libFuzzer: (.*)", re.MULTILINE)
_LONGEST_REASON = 200
_LAST_LINES = 30
_LARGEST_SHOWN_BYTES = 6_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run of a target ended; `failure` is None where nothing was found."""

    target: str
    executions: int
    features: int
    inputs: int
    failure: str | None
    failed_input: Path | None

    @classmethod
    def of(cls, target: str, status: int, log: str) -> "Outcome":
        """Read the log of a run that ended with a status."""
        progress = _PROGRESS.findall(log)
        executed = _EXECUTED.search(log)
        number, features, inputs = map(int, progress[-1]) if progress else (0, 0, 0)
        written = _INPUT.findall(log)
        return cls(
            target,
            int(executed[1]) if executed else number,
            features,
            inputs,
            _failure(status, log),
            Path(written[-1]) if written else None,
        )

    def line(self) -> str:
        """Say it in one line; of a failure with the command that shows it again."""
        counts = (
            f"{self.target:<18} {self.executions:>9,} executions "
            f"{self.features:>6,} features {self.inputs:>5,} inputs  "
        )
        if self.failure is None:
            return f"{counts}held"
        if self.failed_input is None:
            return f"{counts}FAILED: {self.failure}; see .local/fuzz/{self.target}/log.txt"
        path = self.failed_input
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        replay = f".venv/bin/python -m tests.fuzz.replay {self.target} {shown}"
        return f"{counts}FAILED: {self.failure}; {replay}"

    def report(self, log: str) -> str:
        """Say all that is needed to see a failure again on another machine, in some lines.

        CI keeps what is printed and not the files: the failed input is shown in base64.
        """
        lines = [self.line(), *log.splitlines()[-_LAST_LINES:]]
        if self.failed_input is not None and self.failed_input.exists():
            data = self.failed_input.read_bytes()
            shown = base64.b64encode(data[:_LARGEST_SHOWN_BYTES]).decode()
            part = "" if len(data) <= _LARGEST_SHOWN_BYTES else f" (first {_LARGEST_SHOWN_BYTES})"
            lines.append(f"the input, {len(data)} bytes{part} in base64: {shown}")
        return "\n".join(lines)


def _failure(status: int, log: str) -> str | None:
    if status == 0:
        return None
    # A time-out interrupts Python code, which then says so as well: the summary is nearer to it.
    found = _EXCEPTION.search(log) or _SUMMARY.search(log)
    reason = found[1].strip() if found else f"it ended with status {status}"
    return reason[:_LONGEST_REASON]
