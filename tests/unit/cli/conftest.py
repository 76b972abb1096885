"""The functions and the bucket that `ultron index` speaks to, as fakes."""

import pytest

from services.cli.target import Target
from shared import aws
from shared.storage.memory import MemoryObjectStore
from tests.unit.cli.index_fakes import FakeFunctions


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
