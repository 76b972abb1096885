"""A test run that is interrupted, or asked to end, ends what its fixtures started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.processes.os_processes import becomes_true, process_identity

ROOT = Path(__file__).resolve().parents[3]
WAIT_SECONDS = 120.0
IN_PARALLEL = ["-n", "2", "--dist", "loadfile"]
CONFTEST = """
import subprocess, sys
from pathlib import Path
import pytest
from tests.conftest import pytest_configure

@pytest.fixture(scope="session")
def server(worker_id):
    process = subprocess.Popen([sys.executable, "-c", "__import__('time').sleep(600)"],
                               start_new_session=True)
    path = Path(__file__).with_name("new-" + worker_id)
    path.write_text(str(process.pid))
    path.rename(path.with_name(worker_id + ".pid"))
    yield
    process.kill()
    process.wait()
"""
# In one call, as a test that waits for an answer: only a signal gets through to it.
TEST = "def test_it(server):\n    __import__('time').sleep(600)\n"


def is_alive(path: Path) -> bool:
    return process_identity(int(path.read_text())) is not None


@pytest.mark.parametrize(
    ("number", "reaches_the_group", "options"),
    [
        pytest.param(signal.SIGTERM, False, [], id="one process"),
        pytest.param(signal.SIGTERM, False, IN_PARALLEL, id="steering process only"),
        pytest.param(signal.SIGINT, True, IN_PARALLEL, id="every process"),
    ],
)
def test_the_endings_of_fixtures_are_run(
    number: signal.Signals, reaches_the_group: bool, options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(TEST)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    wanted = 2 if options else 1
    try:
        started = becomes_true(lambda: len(list(tmp_path.glob("*.pid"))) == wanted, WAIT_SECONDS)
    finally:
        (os.killpg if reaches_the_group else os.kill)(process.pid, number)
        printed, _ = process.communicate(timeout=WAIT_SECONDS)
    assert started, printed
    assert process.returncode == pytest.ExitCode.INTERRUPTED, printed
    assert [path.name for path in tmp_path.glob("*.pid") if is_alive(path)] == []
