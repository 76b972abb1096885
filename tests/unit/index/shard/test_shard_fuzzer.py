"""Damaged shards in a separate process, which a crash ends instead of the tests."""

import subprocess
import sys

CASES = 150
SECONDS = 300


def test_no_damaged_shard_ends_the_process_or_raises_what_is_not_named() -> None:
    command = [sys.executable, "-m", "tests.unit.index.shard_fuzzer", "--cases", str(CASES)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    cases = [line for line in ended.stdout.splitlines() if line.startswith("case ")]
    assert ended.returncode == 0, f"{cases[-1:]} {ended.stderr[-3000:]}"
    assert len(cases) == CASES
