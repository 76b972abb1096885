"""What every test gets: no way to an AWS account of the person who runs it."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType

import pytest

from scripts.local_aws.account import CREDENTIALS, REGION

# Powertools reads it as `shared.observability` is imported, which the conftest of a folder that is
# named on the command line does at once, and refuses metrics without it.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "ultron-tests")


Handler = Callable[[int, FrameType | None], None]
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def pytest_configure(config: pytest.Config) -> None:
    """Let an interrupt or a request to end run the fixtures' endings: their servers outlive us."""
    handler: Handler = signal.default_int_handler
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist
        handler = _interrupt_once
    elif config.getoption("numprocesses", None):
        config.pluginmanager.register(PassInterruptsOn())
    for number in _ENDING_SIGNALS:
        signal.signal(number, handler)


class PassInterruptsOn:
    """What the process that steers the workers does: they would be killed within ten seconds."""

    def pytest_keyboard_interrupt(self) -> None:
        """Interrupt the workers, which are the only processes that this one has started."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
        for line in listed.stdout.splitlines():
            pid, parent = map(int, line.split())
            if parent == os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)


def _interrupt_once(_number: int, _frame: FrameType | None) -> None:
    """The terminal and the steering process may both ask: once, or the endings are interrupted."""
    for number in _ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def no_real_aws(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide the person's AWS settings; the e2e suite alone reads them, to find its endpoint."""
    if "e2e" in request.path.parts:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
