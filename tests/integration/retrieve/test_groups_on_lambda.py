"""One index searched by several functions of the local AWS: the answers of one process."""

import io
import os
import sysconfig
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.retrieve import handler as retrieve_handler
from shared.platform import aws
from tests.integration.index.conftest import Invocation, Line, line, model_folder

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

__all__ = ["line", "model_folder"]

ROOT = Path(__file__).resolve().parents[3]
# The real handler, from this very source tree.
CODE = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {sysconfig.get_path("purelib")!r}]
from services.retrieve.handler import handler
"""
SMALL_MB = "0.000001"  # every shard is a separate group
SHARDS = 4


def texts(page: int, run: int) -> dict[str, str]:
    return {f"a:{n}": f"w{n} w{n * 3 % 20} w{run}" for n in range(page, 12, 2)}


@pytest.fixture
def filled(line: Line) -> Line:
    """A corpus of several shards, with updates among them."""
    for number in (1, 2):
        run_id = line.start_run(number, pages=SHARDS // 2)
        jobs = [line.chunked(run_id, page, [texts(page, number)])[0] for page in range(SHARDS // 2)]
        if number == 2:
            jobs = jobs[:1]
        assert line.embed([job.model_dump_json() for job in jobs]) == []
        assert line.index(line.take()) == []
    return line


@pytest.fixture
def worker(
    filled: Line,
    lambda_client: "LambdaClient",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The function that searches groups, of which this process is the coordinator."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("worker.py", CODE)
    name = f"retrieve-{uuid.uuid4().hex[:12]}"
    variables = {
        key: os.environ[key]
        for key in (
            "AWS_ENDPOINT_URL", "BUCKET_NAME", "CORPORA_PARAMETER_PATH", "DEFAULT_CORPUS",
            "MODEL_PREFIX",
        )
    }  # fmt: skip
    variables |= {
        "MODEL_DIR": str(tmp_path / "worker"),
        "POWERTOOLS_TRACE_DISABLED": "1",
        "POWERTOOLS_METRICS_NAMESPACE": "test",
    }
    lambda_client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/test",
        Handler="worker.handler",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": variables},
        Timeout=30,
        MemorySize=512,
    )
    lambda_client.get_waiter("function_active_v2").wait(FunctionName=name)
    yield name
    lambda_client.delete_function(FunctionName=name)


def restart(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Begin again with other settings, as a new environment of the function does."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    retrieve_handler._retriever.cache_clear()
    aws.lambda_client.cache_clear()


def answers(line: Line) -> list[dict[str, Any]]:
    found = []
    for mode in ("dense", "lexical", "hybrid"):
        for filters in ({}, {"id": "3"}):
            answer = line.retrieve(q="w1 w9", k=20, mode=mode, filters=filters)
            assert "error" not in answer, answer
            found.append(answer)
    return found


def test_functions_answer_together_as_one_process_does(
    filled: Line, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = answers(filled)
    assert all("groups" not in answer["index"] for answer in alone)
    restart(monkeypatch, GROUP_FUNCTION_NAME=worker, MEMORY_BUDGET_MB=SMALL_MB)
    together = answers(filled)
    assert [answer["results"] for answer in together] == [answer["results"] for answer in alone]
    shards = alone[0]["index"]["shards"]
    assert shards > 1
    for answer in together:
        assert answer["index"]["groups"] == {"searched": shards, "of": shards}


def test_recall_is_measured_over_all_groups(
    filled: Line, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restart(monkeypatch, GROUP_FUNCTION_NAME=worker, MEMORY_BUDGET_MB=SMALL_MB)
    event = {"recall": {"samples": 8, "k": 3}}
    measured = retrieve_handler.handler(event, Invocation())
    assert (measured["samples"], measured["recall"]) == (8, 1.0)


def test_a_function_that_is_not_there_fails_its_groups(
    filled: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    restart(monkeypatch, GROUP_FUNCTION_NAME="no-such-function", MEMORY_BUDGET_MB=SMALL_MB)
    error = filled.retrieve(q="w1")["error"]
    assert (error["code"], error["status"]) == ("PARTIAL_FAILURE", 503)
    partial = filled.retrieve(q="w1", partial=True)
    assert partial["partial"] is True
    assert partial["index"]["groups"]["searched"] == 1
