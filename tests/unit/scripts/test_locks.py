"""A lock is held by one process at a time, and ends with the one that holds it."""

import subprocess
import sys
from pathlib import Path

from scripts.locks import one_at_a_time

ROOT = Path(__file__).resolve().parents[3]
HOLD = (
    "import sys, pathlib; from scripts.locks import one_at_a_time;"
    "held = one_at_a_time(pathlib.Path(sys.argv[1])); held.__enter__();"
    "print('held', flush=True); sys.stdin.readline()"
)


def test_another_process_is_waited_for_and_that_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    said: list[str] = []
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    def end_the_other() -> None:
        said.append("waits")
        holder.kill()

    with one_at_a_time(path, end_the_other):
        assert said == ["waits"]
    holder.communicate()


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with one_at_a_time(tmp_path / "lock", lambda: said.append("waits")):
            pass
    assert said == []
