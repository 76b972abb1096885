"""A worker in a separate process, which some jobs kill."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import boto3

from scripts.local_aws.account import CREDENTIALS, REGION
from shared.errors import CorruptObjectError
from shared.messaging.record_stage import StageState
from shared.messaging.redelivery import Redelivery
from shared.messaging.stage import QueueBatchStage, QueueStage
from shared.models.jobs import DeriveJob
from shared.models.run import RunRecord
from shared.runs.failures import FailureLog
from shared.runs.page_marks import StageName
from shared.runs.run_store import open_run_store
from shared.table.table_clock import ResponseClock, utc_now

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MAXIMUM_RECEIVES = 5
_DONE_STAGES: tuple[StageName, ...] = ("fetch", "derive", "chunker")
_PATIENCE_SECONDS = 60


def _no_sweep(run: RunRecord) -> None:
    raise AssertionError(f"an incremental run was to be swept: {run.run_id}")


@dataclass(frozen=True)
class Worker:
    """What a worker is to do with the jobs of some pages; with others it succeeds."""

    endpoint_url: str
    table: str
    queue_url: str
    is_batch: bool
    deadly: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()

    def state(self) -> StageState:
        session = boto3.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"],
            CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        dynamodb = session.client("dynamodb", endpoint_url=self.endpoint_url)
        sqs = session.client("sqs", endpoint_url=self.endpoint_url)
        return StageState(
            open_run_store(
                dynamodb,
                self.table,
                ResponseClock(dynamodb, self.table, utc_now, time.monotonic),
                request_sweep=_no_sweep,
            ),
            FailureLog(dynamodb, self.table),
            MAXIMUM_RECEIVES,
            Redelivery(sqs, self.queue_url, first_delay_seconds=0),
        )

    def process(self, records: Sequence[Mapping[str, Any]]) -> list[str] | None:
        """Return the ids of the messages that failed; None when the worker died."""
        # Forked from a process without threads, which has imported all this already.
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(self, list(records), sender))
        process.start()
        sender.close()
        try:
            assert receiver.poll(_PATIENCE_SECONDS), "the worker neither answers nor dies"
            answer: list[str] | None = receiver.recv()
        except EOFError:
            answer = None
        finally:
            receiver.close()
            process.join(_PATIENCE_SECONDS)
        assert process.exitcode == (-signal.SIGKILL if answer is None else 0)
        return answer


def _work(worker: Worker, records: list[Mapping[str, Any]], sender: "Connection") -> None:
    state = worker.state()

    def die_of(job: DeriveJob) -> None:
        if job.page_id in worker.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def handle(job: DeriveJob) -> None:
        die_of(job)
        if job.page_id in worker.failing:
            raise CorruptObjectError("raw/x is cut short")
        for stage in _DONE_STAGES:
            state.runs.ledger.record_stage(job, stage, {"entities": 1}, parts=0)

    def handle_batch(jobs: Sequence[DeriveJob]) -> Mapping[int, Exception]:
        for job in jobs:  # as in the indexer, before anything is recorded
            die_of(job)
        errors: dict[int, Exception] = {}
        for number, job in enumerate(jobs):
            try:
                handle(job)
            except CorruptObjectError as error:
                errors[number] = error
        return errors

    stage = (
        QueueBatchStage("derive", DeriveJob, handle_batch, state)
        if worker.is_batch
        else QueueStage("derive", DeriveJob, handle, state)
    )
    response = stage.process({"Records": records}, None)
    sender.send([failure["itemIdentifier"] for failure in response["batchItemFailures"]])
