"""The functions and the bucket that `ultron index` speaks to, as fakes; no demo is found."""

from pathlib import Path

import pytest

from services.cli import main as command
from services.cli.deployment.target import Target
from shared.platform import aws
from shared.storage.memory import MemoryObjectStore
from tests.unit.cli.index_fakes import FakeFunctions


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the command takes for its checkout: a demo of this one must not be found by tests."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.setattr(command, "PACKAGE_CHECKOUT", checkout)
    monkeypatch.chdir(checkout)
    return checkout


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> FakeFunctions:
    fake = FakeFunctions()
    monkeypatch.setattr(aws, "lambda_client", lambda _timeout: fake)
    monkeypatch.setenv("ULTRON_COMPACTOR_FUNCTION", "ultron-compactor")
    monkeypatch.setenv("ULTRON_RETRIEVE_FUNCTION", "ultron-retrieve")
    return fake


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryObjectStore:
    store = MemoryObjectStore()
    monkeypatch.setattr(Target, "objects", lambda _target: store)
    return store
