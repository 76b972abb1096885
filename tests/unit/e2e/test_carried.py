"""What a target does not carry is left out by name, and counted in the closing line."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.demo.deployment import ROOT, Deployment, Servers, marvel_gateway
from scripts.local_aws.server import local_aws
from scripts.local_aws.target import Target
from scripts.processes.os_processes import process_identity
from tests.e2e import carried

LOCALSTACK = Target("http://localhost:4566", "LocalStack", "4.14.0")
MINISTACK = Target("http://localhost:4567", "MiniStack", "1.5.33")


class Item:
    """As much of a test as is asked for: its markers."""

    def __init__(self, **markers: str) -> None:
        self.markers = {name: SimpleNamespace(args=(value,)) for name, value in markers.items()}
        self.added: list[str] = []

    def get_closest_marker(self, name: str) -> Any:
        return self.markers.get(name)

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.added.append(marker.mark.kwargs["reason"])


@pytest.mark.parametrize(
    ("markers", "target", "reasons"),
    [
        ({}, LOCALSTACK, []),
        ({"localstack_defect": "slow"}, LOCALSTACK, ["not carried: slow"]),
        ({"localstack_defect": "slow"}, MINISTACK, []),
        ({"localstack_defect": "slow"}, None, []),
        ({"needs_own_process": "far"}, LOCALSTACK, ["not carried: far"]),
        ({"needs_own_process": "far"}, MINISTACK, ["not carried: far"]),
        ({"needs_own_process": "far"}, None, []),
    ],
)
def test_a_test_is_left_out_only_where_it_cannot_be_carried(
    markers: Mapping[str, str], target: Target | None, reasons: list[str]
) -> None:
    item: Any = Item(**markers)
    carried.mark_what_is_not_carried([item], target)
    assert item.added == reasons


def report(nodeid: str, when: str = "call", reason: str = "") -> Any:
    longrepr = ("file", 1, f"Skipped: {reason}") if reason else None
    return SimpleNamespace(nodeid=nodeid, when=when, longrepr=longrepr)


def test_the_closing_line_counts_every_outcome_and_every_defect() -> None:
    reports = {
        "passed": [
            report("tests/e2e/test_a.py::one"),
            report("tests/e2e/test_a.py::one", when="setup"),
            report("tests/unit/test_b.py::other"),
        ],
        "failed": [report("tests/e2e/test_a.py::two")],
        "error": [report("tests/e2e/test_a.py::three", when="setup")],
        "skipped": [
            report("tests/e2e/test_a.py::four", reason="not carried: slow"),
            report("tests/e2e/test_a.py::five", reason="not carried: far"),
            report("tests/e2e/test_a.py::six", reason="not carried: slow"),
        ],
    }
    reporter = SimpleNamespace(stats=reports)
    assert carried.closing_line(reporter, LOCALSTACK) == (
        "e2e on LocalStack 4.14.0 at http://localhost:4566:"
        " 1 passed, 2 failed, 3 not carried (1 far, 2 slow)"
    )
    assert carried.unexplained(reporter) == []


def test_a_skip_that_names_no_defect_is_found() -> None:
    silent = report("tests/e2e/test_a.py::four", reason="not today")
    reporter = SimpleNamespace(stats={"skipped": [silent]})
    assert carried.unexplained(reporter) == ["tests/e2e/test_a.py::four"]


def test_an_endpoint_that_cannot_serve_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.eu-west-1.amazonaws.com")
    with pytest.raises(pytest.UsageError, match="is AWS itself"):
        carried.named_target()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere")
    with pytest.raises(pytest.UsageError, match="is no URL"):
        carried.named_target()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert carried.named_target() is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_demo_of_this_folder_is_never_tested_on(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `export` lines name it to every command of that shell, and the suite destroys."""
    directory = tmp_path / "aws"
    server = local_aws(ROOT, directory, 1)
    directory.mkdir()
    record = {"pid": os.getpid(), "identity": process_identity(os.getpid()), "port": 1}
    (directory / "process.json").write_text(json.dumps(record))
    demo = Deployment(tmp_path, server.url, "http://x")
    servers = Servers(server, marvel_gateway(ROOT, tmp_path / "gateway"))
    monkeypatch.setattr(carried, "demo_deployment", lambda: (demo, servers))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:1/")
    with pytest.raises(pytest.UsageError, match="the demo of this folder"):
        carried.named_target()
    (directory / "process.json").unlink()
    with pytest.raises(pytest.UsageError, match="Nothing answers"):
        carried.named_target()
