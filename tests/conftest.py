"""What every test gets: no way to an AWS account of the person who runs it."""

import os
import signal
from collections.abc import Iterator

import pytest

from scripts.local_aws.account import CREDENTIALS, REGION

# Powertools reads it as `shared.observability` is imported, which the conftest of a folder that is
# named on the command line does at once, and refuses metrics without it.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "ultron-tests")


def pytest_configure() -> None:
    """Let an interrupt or a request to end run the fixtures' endings: their servers outlive us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


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
