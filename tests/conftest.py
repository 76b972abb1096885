"""What every test gets: no way to an AWS account of the person who runs it."""

import io
import logging
import os
import signal
import traceback
from collections.abc import Generator, Iterator

import pytest
from hypothesis import Phase, settings

from scripts.local_aws.account import CREDENTIALS, REGION

# Powertools reads it as `shared.platform.observability` is imported, and refuses metrics without
# it; the conftest of a folder that is named on the command line imports that at once.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "ultron-tests")

# How long an example takes is a property of the machine and of what else it does.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
# To know only whether a test fails: the smallest example may take minutes to find.
_WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
settings.register_profile("first-failure", deadline=None, phases=_WITHOUT_SHRINKING, database=None)
# Of these the upgrade drill is told from which commit, and where a mirror of Terraform's lies.
_PERSONAL = ("AWS_", "ULTRON_", "MARVEL_")
_KEPT = {"ULTRON_UPGRADE_FROM", "ULTRON_TERRAFORM_MIRROR"}


def pytest_configure() -> None:
    """Let an interrupt or a request to end run the fixtures' endings: their servers outlive us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in what a test wrote: a worker of pytest-xdist cannot send them."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def no_real_aws(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide the person's settings of AWS and of this project: a demo that runs is none of ours.

    The e2e suite alone reads them, to find its endpoint.
    """
    if "e2e" in request.path.parts:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_PERSONAL)]:
            if name not in _KEPT:
                patch.delenv(name)
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


class _WholeRecords(logging.Handler):
    """Writes down all there is of each record: what formatters show of it, and what they do not."""

    def __init__(self, written: io.StringIO) -> None:
        super().__init__(logging.DEBUG)
        self._written = written

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), vars(record), file=self._written)
        if record.exc_info is not None:
            traceback.print_exception(*record.exc_info, file=self._written)


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All that is logged from DEBUG on: by us, as the functions write it, and by libraries.

    `caplog` holds only the messages of our records, not the fields beside them.
    """
    from shared.platform.observability import library_logger, logger

    written = io.StringIO()
    formatted = logging.StreamHandler(written)
    formatted.setFormatter(logger.registered_formatter)
    own, root = logging.getLogger(logger.name), logging.getLogger()
    levels = {at: at.level for at in (own, library_logger, root)}
    both = (formatted, _WholeRecords(written))
    handlers = {own: both, library_logger: both, root: both[1:]}
    for at, added in handlers.items():
        at.setLevel(logging.DEBUG)
        for handler in added:
            at.addHandler(handler)
    yield written
    for at, added in handlers.items():
        for handler in added:
            at.removeHandler(handler)
        at.setLevel(levels[at])
