"""The load run's options, its view of memory, and one real handler that it calls."""

import argparse
import json
import mmap
import time
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks import load, warm_handler
from benchmarks.load_memory import (
    GROWTH_BOUND_BYTES,
    WarmMemory,
    measure_handlers,
    seconds_of_one,
    warming_of,
)
from benchmarks.memory_services import MemoryServices
from benchmarks.warm_handler import (
    HANDLERS,
    NOTES_CORPUS,
    NOTES_PREFIX,
    HandlerLine,
    check_answer,
)
from scripts.demo.errors import StackError
from shared.errors import UltronError

REPO = Path(__file__).resolve().parents[3]


def memory(slope_bytes: float, calls: int = 10_000) -> WarmMemory:
    noise = (0, 40_960, -40_960)
    readings = tuple(
        (done, int(100_000_000 + slope_bytes * done) + noise[number % 3])
        for number, done in enumerate(range(1000, calls + 1, 225))
    )
    return WarmMemory("chunker", calls, 60.0, readings)


def test_the_slope_is_that_of_the_fitted_line() -> None:
    found = memory(100.0)
    assert found.bytes_a_call == pytest.approx(100.0, rel=0.05)
    assert found.growth_bytes == pytest.approx(900_000, rel=0.05)
    assert WarmMemory("chunker", 1, 1.0, ((1, 5),)).growth_bytes == 0


def test_noise_is_no_growth_but_a_small_leak_is() -> None:
    warming = warming_of(10_000, 600.0)
    assert warming.warm_up_calls == 1000
    assert warming.calls_between_readings == 225
    assert memory(0.0).broken_promises(warming) == []
    assert memory(-300.0).broken_promises(warming) == []
    [leak] = memory(1.2 * GROWTH_BOUND_BYTES / 9000).broken_promises(warming)
    assert leak.startswith("chunker: its memory grew by 24")
    assert leak.endswith("over 9000 warm calls; 2048 kB are allowed")


def test_calls_that_were_not_made_are_a_broken_promise() -> None:
    warming = warming_of(10_000, 60.0)
    [broken] = memory(0.0, calls=5000).broken_promises(warming)
    assert "only 5000 of 10000 calls were made within 60 s" in broken
    assert len(memory(1000.0, calls=5000).broken_promises(warming)) == 2


def test_the_time_that_is_left_is_shared() -> None:
    assert seconds_of_one(3480.0, 9) == pytest.approx(356.67, abs=0.01)
    assert seconds_of_one(10.0, 9) == 1.0


def test_options() -> None:
    options = load.parse([])
    assert (options.seconds, options.calls, options.deadline_seconds) == (20.0, 10_000, 3600)
    assert (tuple(options.handlers), options.only) == (HANDLERS, None)
    options = load.parse(["--seconds", "0.5", "--calls", "7", "--handlers", "fetch", "derive"])
    assert (options.seconds, options.calls, options.handlers) == (0.5, 7, ["fetch", "derive"])


@pytest.mark.parametrize(
    "arguments",
    [["--seconds", "0"], ["--seconds", "inf"], ["--calls", "-1"], ["--calls", "1.5"],
     ["--handlers", "nobody"], ["--only", "window"], ["--deadline-seconds", "x"]],
)  # fmt: skip
def test_options_that_make_no_sense(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        load.parse(arguments)


def test_the_handlers_are_those_of_the_services() -> None:
    found = {path.parent.name for path in (REPO / "services").glob("*/handler.py")}
    assert set(HANDLERS) == found


def test_answers_of_handlers_that_did_not_do_their_work() -> None:
    for answer in (
        {"batchItemFailures": [{"itemIdentifier": "1"}]},
        {"statusCode": 500, "body": "{}"},
        {"error": {"code": "NOT_FOUND"}},
    ):
        with pytest.raises(UltronError, match="the handler of derive failed"):
            check_answer("derive", answer)
    check_answer("derive", {"batchItemFailures": []})


def environments() -> dict[str, dict[str, str]]:
    """What Terraform gives the functions from ingest to derive, as far as they need it."""
    common = {
        "BUCKET_NAME": "bucket",
        "CHECKPOINT_TABLE": "table",
        "CORPORA_PARAMETER_PATH": "/corpora",
        "SOURCE_SECRET_PREFIX": "sources",
        "COMPACT_QUEUE_URL": "https://sqs.simulated/compact-jobs",
        "MODEL_PREFIX": "models/none/1/",
        "STAGE_QUEUE_URLS": '["https://sqs.simulated/page-jobs"]',
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "load",
    }
    queues = {"ingest": "page", "fetch": "derive", "derive": "chunk"}
    found = {
        name: {**common, "NEXT_QUEUE_URL": f"https://sqs.simulated/{queue}-jobs"}
        for name, queue in queues.items()
    }
    found["fetch"]["QUEUE_URL"] = "https://sqs.simulated/page-jobs"
    found["derive"]["QUEUE_URL"] = "https://sqs.simulated/derive-jobs"
    return found | {"retrieve": common}


def plan(folder: Path) -> dict[str, Any]:
    corpus = {
        "name": NOTES_CORPUS,
        "source": {"kind": "jsonl", "prefix": NOTES_PREFIX},
        "mapping": {"entity_type": "note"},
    }
    (folder / "model").mkdir()
    return {
        "environments": environments(),
        "parameters": {f"/corpora/{NOTES_CORPUS}": json.dumps(corpus)},
        "model_directory": str(folder / "model"),
    }


def test_a_real_handler_is_called_in_a_process_of_its_own(tmp_path: Path) -> None:
    deadline = time.monotonic() + 600
    [found], broken = measure_handlers(plan(tmp_path), tmp_path, 60, deadline, ["derive"])
    assert (found.handler, found.calls) == ("derive", 60)
    assert [calls for calls, _ in found.readings] == list(range(6, 61))
    assert all(resident > 10_000_000 for _, resident in found.readings)
    assert broken == []


def test_a_process_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    lacking = plan(tmp_path) | {"parameters": {}}
    with pytest.raises(UltronError, match="the process of derive failed:"):
        measure_handlers(lacking, tmp_path, 10, time.monotonic() + 600, ["derive"])


class FixedLine:
    """A line whose handlers take any event."""

    def event_of(self, _: str) -> dict[str, Any]:
        return {}

    def enter(self, _: str) -> None: ...


def test_a_handler_that_keeps_something_of_each_call_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[mmap.mmap] = []

    def leaking(event: dict[str, Any], _: object) -> dict[str, Any]:
        # Pages of its own: what this process had and freed before cannot serve it.
        kept.append(mmap.mmap(-1, 16_384))
        kept[-1].write(b"x" * 16_384)
        return event

    monkeypatch.setattr(warm_handler, "handler_of", lambda _: leaking)
    services, warming = MemoryServices(environments(), {}), warming_of(2000, 600.0)
    seen = warm_handler.measure(cast(HandlerLine, FixedLine()), services, "derive", warming)
    found = WarmMemory("derive", seen["calls"], seen["seconds"], tuple(seen["readings"]))
    assert found.bytes_a_call == pytest.approx(16_384, rel=0.1)
    assert "derive: its memory grew by" in found.broken_promises(warming)[0]


def test_what_a_call_left_is_taken_back() -> None:
    services = MemoryServices(environments(), {})
    services.put("a", b"1")
    services.keep()
    queue_url = "https://sqs.simulated/chunk-jobs"
    for _ in range(2):
        services.put("a", b"2")
        services.put("b", b"3")
        services.sqs.send_message(QueueUrl=queue_url, MessageBody="x")
        item = {"PK": {"S": "p"}, "SK": {"S": "s"}}
        services.dynamodb.put_item(TableName="table", Item=item)
        assert len(services.receive(queue_url, 10)["Records"]) == 1
        services.take_back()
        assert services.s3.objects("bucket") == {"a": b"1"}
        assert services.receive(queue_url, 10)["Records"] == []
        assert list(services.dynamodb.items("table")) == []


def test_a_run_that_does_not_end_is_given_up() -> None:
    with pytest.raises(StackError, match="within 1 s"), load._deadline(1):
        time.sleep(30)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no positive number"):
        load._positive(float)("-1")
