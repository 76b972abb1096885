"""The listeners beside which CI runs."""

import subprocess
import sys
import urllib.request
from pathlib import Path

from scripts.processes.ports import free_port

STRANGERS = Path(__file__).resolve().parents[3] / ".ci" / "strangers.py"


def test_a_free_port_is_taken_and_a_taken_one_is_said() -> None:
    port = free_port()
    command = [sys.executable, str(STRANGERS), str(port), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"A stranger listens on port {port}.\n"
        assert process.stdout.readline().startswith(f"Port {port} is taken already (")
        for body in (None, b"{}"):
            url = f"http://127.0.0.1:{port}/_ministack/health"
            with urllib.request.urlopen(url, data=body, timeout=30) as answer:
                assert (answer.status, answer.read()) == (200, b"Another program listens here.\n")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
