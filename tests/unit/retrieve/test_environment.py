"""The environment of the function: its settings, what importing it does, snapshots of it."""

import json
import os
import random
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.retrieve import handler as retrieve_handler
from services.retrieve import snap_start
from services.retrieve.settings import RetrieveSettings
from shared.platform import aws

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024

REQUIRED = {
    "BUCKET_NAME": "bucket",
    "CORPORA_PARAMETER_PATH": "/x/corpora",
    "DEFAULT_CORPUS": "demo",
    "MODEL_PREFIX": "models/m/1/",
}
OPTIONAL = (
    "MEMORY_BUDGET_MB", "CACHE_LIMIT_MB", "GROUP_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
)  # fmt: skip


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> RetrieveSettings:
    for name in OPTIONAL:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**REQUIRED, **variables}.items():
        monkeypatch.setenv(name, value)
    return RetrieveSettings.load()


def test_the_budget_is_what_is_set_or_a_part_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch).memory_budget_bytes is None
    of_memory = loaded(monkeypatch, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1000")
    assert of_memory.memory_budget_bytes == 600 * MIB
    both = loaded(monkeypatch, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1000", MEMORY_BUDGET_MB="0.5")
    assert both.memory_budget_bytes == MIB // 2


def test_two_versions_of_what_is_searched_fit_into_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = loaded(monkeypatch, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1000", CACHE_LIMIT_MB="300")
    assert small.memory_budget_bytes == 150 * MIB
    assert loaded(monkeypatch, CACHE_LIMIT_MB="300").memory_budget_bytes == 150 * MIB
    large = loaded(monkeypatch, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1000", CACHE_LIMIT_MB="3000")
    assert large.memory_budget_bytes == 600 * MIB


def test_the_cache_has_no_limit_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch).cache_limit_bytes is None
    assert loaded(monkeypatch, CACHE_LIMIT_MB="435").cache_limit_bytes == 435 * MIB


def test_groups_are_searched_by_the_function_itself_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert loaded(monkeypatch).searching_function is None
    own = {"AWS_LAMBDA_FUNCTION_NAME": "retrieve"}
    assert loaded(monkeypatch, **own).searching_function == "retrieve"
    alias = loaded(monkeypatch, **own, GROUP_FUNCTION_NAME="retrieve:live")
    assert alias.searching_function == "retrieve:live"


IMPORT = """
import json, random, sys, threading

def refuse(event, arguments):
    # The X-Ray SDK makes a datagram socket, which is connected to nothing and may be copied.
    is_datagram = event == "socket.__new__" and arguments[2] == 2
    if event.startswith("socket.") and not is_datagram:
        raise AssertionError(f"importing the handler does {event}")

sys.addaudithook(refuse)
random.seed(7)
before = random.getstate()
from services.retrieve import handler
from shared.platform import aws
print(json.dumps({
    "threads": threading.active_count(),
    "drew": random.getstate() != before,
    "clients": len(aws._made),
    "made": [one.cache_info().currsize for one in (handler._retriever, handler._models)],
}))
"""


def test_importing_the_function_leaves_nothing_that_a_copy_must_not_have() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "POWERTOOLS_TRACE_DISABLED": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    state = json.loads(done.stdout.splitlines()[-1])
    assert state == {"threads": 1, "drew": False, "clients": 0, "made": [0, 0]}


class Runtime(types.ModuleType):
    """The module of Lambda's runtime, as far as it is used."""

    def __init__(self) -> None:
        super().__init__("snapshot_restore_py")
        self.before: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []
        self.register_before_snapshot = self.before.append
        self.register_after_restore = self.after.append


def test_the_check_of_imports_notices_a_socket() -> None:
    code = IMPORT.replace("from services.retrieve import handler", "import socket; socket.socket()")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "importing the handler does socket.__new__" in done.stderr


def test_without_such_a_runtime_nothing_is_registered() -> None:
    assert snap_start.register(load=pytest.fail, forget=pytest.fail) is False


def test_hooks_load_before_a_snapshot_and_forget_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime()
    monkeypatch.setitem(sys.modules, runtime.__name__, runtime)
    calls: list[str] = []
    registered = snap_start.register(
        load=lambda: calls.append("load"), forget=lambda: calls.append("forget")
    )
    assert (registered, calls) == (True, [])
    runtime.before[0]()
    assert calls == ["load", "forget"]
    drawn = []
    for _ in range(2):
        random.seed(1)  # as in every copy of one snapshot
        runtime.after[0]()
        drawn.append(random.random())
    assert calls == ["load", "forget", "forget", "forget"]
    assert drawn[0] != drawn[1]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(monkeypatch, AWS_DEFAULT_REGION="us-east-1")
    retrieve_handler._retriever.cache_clear()
    retrieve_handler._models.cache_clear()


def test_what_is_forgotten_is_made_anew_but_the_model_stays(fresh: None) -> None:
    retriever, client = retrieve_handler._retriever(), aws.s3_client()
    closed: list[Any] = []
    client.close = lambda: closed.append(client)  # type: ignore[method-assign]
    retrieve_handler._forget()
    assert closed == [client]
    assert aws.s3_client() is not client
    again = retrieve_handler._retriever()
    assert again is not retriever
    assert again.library is not retriever.library
    assert again.pool is not retriever.pool
    assert again.models is retriever.models
    aws.forget_clients()


def test_outside_of_a_function_there_is_nobody_else_to_ask(fresh: None) -> None:
    assert retrieve_handler._elsewhere(RetrieveSettings.load()) is None
