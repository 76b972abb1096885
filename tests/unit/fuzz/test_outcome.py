"""What is said of a target is what libFuzzer said."""

import base64
from pathlib import Path

import pytest

from tests.fuzz.folders import ROOT
from tests.fuzz.outcome import Outcome

PROGRESS = """INFO: seed corpus: files: 7 min: 1b max: 410b total: 900b rss: 90Mb
#8\tINITED cov: 90 ft: 120 corp: 6/880b exec/s: 0 rss: 91Mb
#2048\tNEW    cov: 99 ft: 151 corp: 9/1042b lim: 4 exec/s: 900 rss: 92Mb L: 7/90 MS: 1 EraseBytes-
"""
HELD = f"{PROGRESS}Done 31415 runs in 6 second(s)\nstat::number_of_executed_units: 31415\n"
INPUT = ROOT / ".local" / "fuzz" / "csv" / "failures"


def test_a_target_that_held_is_counted() -> None:
    line = Outcome.of("csv", 0, HELD).line()
    assert line.split() == ["csv", "31,415", "executions", "151", "features", "9", "inputs", "held"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            " === Uncaught Python exception: ===\nKeyError: 'a'\nTraceback\n"
            "SUMMARY: libFuzzer: fuzz target exited\n",
            "KeyError: 'a'",
        ),
        ("SUMMARY: libFuzzer: timeout\n", "timeout"),
        ("SUMMARY: libFuzzer: out-of-memory (used: 2050Mb; limit: 2048Mb)\n", "out-of-memory"),
        ("SUMMARY: libFuzzer: deadly signal\n", "deadly signal"),
    ],
)
def test_a_failure_is_named_with_the_command_that_shows_it_again(said: str, reason: str) -> None:
    log = f"{PROGRESS}{said}Test unit written to {INPUT}/crash-ab\n"
    line = Outcome.of("csv", 77, log).line()
    assert "2,048 executions" in line
    assert f"FAILED: {reason}" in line
    assert line.endswith(
        "; .venv/bin/python -m tests.fuzz.replay csv .local/fuzz/csv/failures/crash-ab"
    )
    assert len(line.splitlines()) == 1


def test_a_process_that_ended_without_a_word_is_no_success() -> None:
    line = Outcome.of("csv", -9, "").line()
    assert "FAILED: it ended with status -9; see .local/fuzz/csv/log.txt" in line


def test_a_failure_is_reported_with_its_input_and_the_end_of_the_log(tmp_path: Path) -> None:
    failed = tmp_path / "crash-ab"
    failed.write_bytes(b"a,b\r\n\xff")
    log = f"{PROGRESS}SUMMARY: libFuzzer: deadly signal\nTest unit written to {failed}\n"
    report = Outcome.of("csv", 77, log).report(log)
    assert "FAILED: deadly signal" in report
    assert "#2048\tNEW" in report
    assert base64.b64decode(report.rpartition(" ")[2]) == b"a,b\r\n\xff"
