"""What a target does not carry, by the name of the defect, and what was run: each is counted."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.demo.deployment import demo_deployment
from scripts.local_aws.target import Target, TargetError, detect
from scripts.localstack.host import LOG_VARIABLE

_NOT_CARRIED = "not carried: "
NAMED = pytest.StashKey[Target]()
TESTED = pytest.StashKey[Target]()
# The log of what is tested, for the reports of tests that fail.
LOG_PATH = pytest.StashKey[Path | None]()


def named_target() -> Target | None:
    """What listens at AWS_ENDPOINT_URL; None when the suite starts a local AWS of its own.

    Raises:
        pytest.UsageError: it cannot be told, or the suite cannot run there, or it is the demo of
            this folder, whose data the suite would destroy.
    """
    url = os.environ.get("AWS_ENDPOINT_URL")
    if not url:
        return None
    demo, servers = demo_deployment()
    if servers.local_aws.running_pid() is not None and _place(url) == _place(demo.endpoint_url):
        raise pytest.UsageError(
            f"AWS_ENDPOINT_URL is {url}, which is the demo of this folder, and the suite destroys"
            " what it finds: unset that variable, and the suite starts a local AWS itself."
        )
    try:
        target = detect(url)
    except TargetError as error:
        raise pytest.UsageError(str(error)) from error
    if target.kind == "AWS":
        raise pytest.UsageError(
            f"{url} is AWS itself, whose functions cannot call the sources that this suite serves"
            " on this machine: name the endpoint of a LocalStack or MiniStack."
        )
    log_path = os.environ.get(LOG_VARIABLE)
    return replace(target, log_path=Path(log_path)) if log_path else target


def _place(url: str) -> tuple[str, int | None]:
    """Host and port of a URL; every name of the loopback address is one host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return ("127.0.0.1" if host in {"localhost", "::1"} else host, parts.port)


def mark_what_is_not_carried(items: list[pytest.Item], target: Target | None) -> None:
    """Leave out, with its reason, each test that `target` cannot carry."""
    for item in items:
        reason = _reason(item, target)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"{_NOT_CARRIED}{reason}"))


def _reason(item: pytest.Item, target: Target | None) -> str | None:
    """The defect for which a test is left out on a target."""
    if target is None:
        return None
    started_here = item.get_closest_marker("needs_own_process")
    if started_here is not None:
        return str(started_here.args[0])
    defect = item.get_closest_marker("localstack_defect")
    if defect is not None and target.kind == "LocalStack":
        return str(defect.args[0])
    return None


def reason_of(report: pytest.TestReport) -> str | None:
    """The defect for which a test was left out; None when it was skipped for anything else."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    _, found, reason = text.partition(_NOT_CARRIED)
    return reason if found else None


def unexplained(reporter: Any) -> list[str]:
    """Tests that were skipped without a defect's name, which this suite does not allow."""
    return [report.nodeid for report in _of(reporter, "skipped") if reason_of(report) is None]


def closing_line(reporter: Any, target: Target) -> str:
    """What was tested where, and how many tests of each outcome."""
    passed = len(_of(reporter, "passed"))
    failed = len(_of(reporter, "failed")) + len(_of(reporter, "error"))
    left_out = Counter(filter(None, map(reason_of, _of(reporter, "skipped"))))
    parts = [f"{passed} passed"]
    if failed:
        parts.append(f"{failed} failed")
    if left_out:
        named = ", ".join(f"{count} {defect}" for defect, count in sorted(left_out.items()))
        parts.append(f"{left_out.total()} not carried ({named})")
    return f"e2e on {target.title} at {target.endpoint_url}: {', '.join(parts)}"


def _of(reporter: Any, outcome: str) -> list[pytest.TestReport]:
    return [
        report
        for report in reporter.stats.get(outcome, [])
        if "tests/e2e/" in report.nodeid and (outcome != "passed" or report.when == "call")
    ]
