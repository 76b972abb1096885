"""The pipeline benchmark's arithmetic, its stub of a model, and the script it compares with."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.measured_run import (
    LOCAL_AWS,
    CpuWatch,
    MeasuredRun,
    Movement,
    wait_for_maintenance,
)
from benchmarks.peers import one_script
from benchmarks.pipeline import COLD, STUBBED, WARM, ScriptRun, figures, overhead_ms_per_page
from benchmarks.stub_model import MODEL_ID, write_stub_model
from scripts.demo.errors import StackError
from scripts.local_aws.workers import cpu_seconds, kill, kill_and_wait, workers
from shared.embedding.model_files import open_model_directory
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.models.mapping import FieldMapping
from shared.models.run import RunProgress, RunRecord


def measured(seconds: float, cpu: dict[str, float] | None = None) -> MeasuredRun:
    run = RunRecord(
        run_id="20261123T060000Z-00000001", corpus="a", mode="full", status="succeeded", seq=1,
        started_at="now", pages_planned=4,
    )  # fmt: skip
    progress = RunProgress(run=run, pages_done=4, entities=200, chunks=300, vectors=300)
    return MeasuredRun(progress, seconds, {}, cpu or {})


def test_a_rate_begins_with_the_first_movement() -> None:
    movement = Movement()
    for value, seconds in ((0, 1.0), (10, 2.0), (10, 3.0), (30, 4.0), (30, 9.0)):
        movement.see(value, seconds)
    assert (movement.first_seconds, movement.last_seconds, movement.rate) == (2.0, 4.0, 10.0)


def test_a_counter_that_moved_once_has_no_rate() -> None:
    movement = Movement()
    movement.see(10, 2.0)
    assert movement.rate is None


class Queue:
    """An SQS that counts what lies in a queue: another answer each time it is asked."""

    def __init__(self, *counts: tuple[int, int]) -> None:
        self.counts = list(counts)

    def get_queue_attributes(self, *, AttributeNames: list[str], **_: str) -> dict[str, Any]:  # noqa: N803
        counts = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return {"Attributes": dict(zip(AttributeNames, map(str, counts), strict=True))}


def test_no_run_is_measured_beside_the_maintenance_of_the_one_before() -> None:
    queue = Queue((1, 0), (0, 1), (0, 0))
    wait_for_maintenance(queue, "the queue")
    assert queue.counts == [(0, 0)]


def test_maintenance_that_does_not_end_is_no_quiet_machine() -> None:
    with pytest.raises(StackError, match="maintenance has not ended within 0 s"):
        wait_for_maintenance(Queue((0, 1)), "the queue", timeout_seconds=0)


def test_the_figures_by_hand() -> None:
    script = ScriptRun(200, 300, work_seconds=6.0, process_seconds=10.0, steps={}, versions={})
    cpu = {"ingest": 0.1, "fetch": 0.4, "derive": 0.3, "chunker": 0.2, "embedder": 9.0,
           LOCAL_AWS: 9.0}  # fmt: skip
    found = figures(script, {COLD: measured(6.0), WARM: measured(3.0), STUBBED: measured(2.0, cpu)})
    assert found["pipeline.script.chunks_per_second"] == pytest.approx(50.0)
    assert found["pipeline.cold.chunks_per_second"] == pytest.approx(50.0)
    assert found["pipeline.warm.chunks_per_second"] == pytest.approx(100.0)
    assert found["pipeline.warm.ratio"] == pytest.approx(2.0)
    assert found["pipeline.chunks_per_document"] == pytest.approx(1.5)
    assert found["pipeline.overhead_ms_per_page"] == pytest.approx(500.0)
    assert overhead_ms_per_page(measured(2.0)) == pytest.approx(500.0)
    assert found["pipeline.before_embedding.cpu_ms_per_document"] == pytest.approx(5.0)


def test_the_stub_is_a_whole_model(tmp_path: Path) -> None:
    identity = write_stub_model(tmp_path / "stub", 12, ["the", "a", "the"])
    model = open_model_directory(tmp_path / "stub")
    assert model.bundle.identity == identity
    assert (identity.id, identity.dims) == (MODEL_ID, 12)
    vectors = OnnxEncoder(model).encode_documents(["the a", "a a a", "the a", "x y", ""])
    assert vectors.shape == (5, 12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])


def test_the_script_cuts_what_it_reads_as_the_line_does(tmp_path: Path) -> None:
    documents = [{"id": str(n), "title": f"T{n}", "text": "A sentence. " * 40} for n in range(3)]
    body = "\n".join(json.dumps(document) for document in documents)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(body.encode()))
    read = list(one_script._documents(tmp_path))
    assert read == documents
    passages = one_script._passages(read, FieldMapping())
    assert len(passages) > len(documents)
    assert all(passage.startswith("T") for passage in passages)


def test_workers_are_the_children_that_name_a_function() -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    plain = subprocess.Popen(wait, stdin=subprocess.PIPE)
    named = subprocess.Popen(
        wait,
        stdin=subprocess.PIPE,
        env={**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "ultron-fetch"},
    )
    try:
        [found] = workers(os.getpid())
        assert (found.pid, found.function_name) == (named.pid, "ultron-fetch")
        assert workers(os.getpid(), "ultron-derive") == []
        watch = CpuWatch(os.getpid(), "ultron")
        watch.begin()
        watch.read()
        assert set(watch.seconds()) == {"fetch", LOCAL_AWS}
        assert watch.seconds()[LOCAL_AWS] >= 0
        assert kill(found)
        assert named.wait() == -9
        assert workers(os.getpid()) == []
        assert not kill(found)
        with pytest.raises(psutil.NoSuchProcess):
            cpu_seconds(found.pid)
    finally:
        for process in (plain, named):
            process.kill()
            process.communicate()


# Large, and with several threads: the kernel takes tens of milliseconds to take it down.
SLOW_TO_END = """
import threading, time
memory = bytearray(400_000_000)
for _ in range(8):
    threading.Thread(target=time.sleep, args=(600,)).start()
print("ready", flush=True)
"""


def test_a_worker_that_was_waited_for_has_ended_for_its_parent() -> None:
    named = subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END],
        stdout=subprocess.PIPE,
        env={**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "ultron-fetch"},
    )
    try:
        assert named.stdout is not None and named.stdout.readline() == b"ready\n"
        found = workers(os.getpid())
        kill_and_wait(found, 30)
        assert named.poll() == -9
        kill_and_wait(found, 30)  # one that is gone is fine
    finally:
        named.kill()
        named.communicate()
