"""Runs the batches of a queue: each message fails alone, and the outcome of each is recorded.

A stage works on a message at its first `maximum_receives` receives. The queue lets it be received
once more (its `maxReceiveCount` is one greater) before SQS moves it to the dead-letter queue: then
the stage does no work, so that nothing can end the worker, and records the failure. A worker that
is killed, or runs out of time or memory, records nothing by itself.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared.errors import InvalidJobError, NoAnswerError, PostponedError, UltronError
from shared.messaging.attempts import Attempts, Line, receive_count
from shared.messaging.redelivery import Redelivery
from shared.models.base import Contract
from shared.models.forms import field_problems
from shared.platform.observability import logger, metrics
from shared.runs.failures import FailureLog
from shared.runs.run_store import RunStore

ContractT = TypeVar("ContractT", bound=Contract)
Event = Mapping[str, Any]
BatchResponse = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StageState:
    """What every stage needs to account for its jobs."""

    runs: RunStore
    failures: FailureLog
    maximum_receives: int
    redelivery: Redelivery


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message failed, in words that may be shown."""

    code: str
    reason: str


class RecordStage(ABC, Generic[ContractT]):
    """Parses messages to jobs and runs them one by one, in the order of `Attempts`."""

    def __init__(self, name: str, state: StageState) -> None:
        self._stage = name
        self._state = state

    @abstractmethod
    def _parse(self, body: str) -> ContractT:
        """Read a message body; raises InvalidJobError."""

    @abstractmethod
    def _do(self, record: SQSRecord, job: ContractT) -> None:
        """Do a job unless it is done; raises PostponedError to keep its message for later."""

    @abstractmethod
    def _is_done(self, job: ContractT) -> bool:
        """Whether there is nothing left to do of a job."""

    @abstractmethod
    def _end(self, job: ContractT, failure: Failure) -> None:
        """Let nothing wait for a job that is given up; again, it changes nothing."""

    @abstractmethod
    def _run_of(self, job: ContractT) -> str | None:
        """Return the run that a job belongs to."""

    def process(self, event: Event, context: Any) -> BatchResponse:
        """Run a batch and return the failed messages, as the event source mapping expects."""
        return self._process_line(self._line(event), context)

    def _line(self, event: Event) -> Line:
        records = [SQSRecord(record) for record in event.get("Records", [])]
        state = self._state
        return Attempts(state.failures, self._stage, state.maximum_receives).line_up(records)

    def _process_line(self, line: Line, context: Any) -> BatchResponse:
        process = partial(self._process_record, line, _TimeLeft(context))
        return _run_records(line.records, context, process)

    def _process_record(self, line: Line, time_left: "_TimeLeft", record: SQSRecord) -> None:
        receives = receive_count(record)
        if receives > self._state.maximum_receives:
            self._give_up(record)
            return
        job: ContractT | None = None
        try:
            job = self._parse(record.body)
            if receives < self._state.maximum_receives:  # else it would never be begun
                self._require_time(record, time_left)
            line.begin(record)
            time_left.measure(partial(self._do, record, job))
        except PostponedError:
            line.answer(record)
            raise  # the message is kept, and hidden until it may run: no failure
        except Exception as error:
            self._fail(record, job, error)
            line.answer(record)
            raise
        line.end(record)

    def _require_time(self, record: SQSRecord, time_left: "_TimeLeft") -> None:
        if not time_left.is_enough():
            self._state.redelivery.postpone(record, 0)
            raise PostponedError("this worker has no time left for another job", 0.0)

    def _fail(self, record: SQSRecord, job: ContractT | None, error: Exception) -> None:
        """Log a failure; at the last receive, keep its reason and let nothing wait for the job."""
        receives = receive_count(record)
        failure = _log_failure(self._stage, receives, error)
        if receives < self._state.maximum_receives:
            self._state.redelivery.schedule(record, receives)
            return
        self._record(record, job, failure)
        self._state.redelivery.give_up(record)

    def _record(self, record: SQSRecord, job: ContractT | None, failure: Failure) -> None:
        run_id = None if job is None else self._run_of(job)
        code, reason = failure.code, failure.reason
        self._state.failures.record(self._stage, record.message_id, code, reason, run_id)
        if job is not None:
            self._end(job, failure)

    def _give_up(self, record: SQSRecord) -> None:
        """Record a message that is given up; SQS moves it to the dead-letter queue.

        Raises:
            NoAnswerError: unless its job is done, and the message may be deleted.
        """
        job = self._readable(record)
        if job is not None and self._is_done(job):
            return
        error = NoAnswerError(
            "the worker gave no answer at the last of "
            f"{self._state.maximum_receives} receives: it ran out of time or memory, was killed or "
            "could not start; see the log of its function"
        )
        recorded = self._state.failures.reason(self._stage, record.message_id)
        if recorded is None:
            self._record(record, job, _log_failure(self._stage, receive_count(record), error))
        elif job is not None:
            # The worker that recorded it may have ended before it did the rest.
            self._end(job, Failure(recorded["code"], recorded["reason"]))
        self._state.failures.forget_receives(self._stage, record.message_id)
        self._state.redelivery.give_up(record)
        raise error

    def _readable(self, record: SQSRecord) -> ContractT | None:
        try:
            return self._parse(record.body)
        except InvalidJobError:
            return None


class _TimeLeft:
    """How long the worker has yet, against how long its longest job took."""

    def __init__(self, context: Any) -> None:
        # None where no Lambda runs it, and so nothing ends it.
        self._remaining = getattr(context, "get_remaining_time_in_millis", None)
        self._longest_seconds = 0.0

    def is_enough(self) -> bool:
        """Whether a job may be begun: the first always, another where the longest would fit."""
        if self._remaining is None or self._longest_seconds == 0.0:
            return True
        return bool(self._remaining() / 1000 > self._longest_seconds)

    def measure(self, do: Callable[[], None]) -> None:
        """Do a job, and remember how long it took."""
        started = time.monotonic()
        try:
            do()
        finally:
            self._longest_seconds = max(self._longest_seconds, time.monotonic() - started)


def invalid_job(error: ValidationError, expected: str) -> InvalidJobError:
    """Say which fields of a message are wrong, without their values."""
    fields = field_problems(error, "message")
    return InvalidJobError(f"the message is no {expected}: {fields}")


def _run_records(
    records: Sequence[SQSRecord], context: Any, process: Callable[[SQSRecord], None]
) -> BatchResponse:
    """Process each message; those whose processing raises are named as failed."""
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    with processor([record.raw_event for record in records], process, context):
        processor.process()
    response = processor.response()
    metrics.add_metric("Jobs", MetricUnit.Count, len(records))
    kept = len(response["batchItemFailures"])
    postponed = sum(isinstance(error, PostponedError) for _, error, _ in processor.exceptions)
    metrics.add_metric("FailedJobs", MetricUnit.Count, kept - postponed)
    metrics.add_metric("PostponedJobs", MetricUnit.Count, postponed)
    return dict(response)


def _log_failure(stage: str, receives: int, error: Exception) -> Failure:
    code = error.code if isinstance(error, UltronError) else type(error).__name__
    # Errors of libraries may quote data or requests: only our own messages are shown.
    reason = str(error) if isinstance(error, UltronError) else f"unexpected {code}"
    details = {"stage": stage, "code": code, "reason": reason, "receives": receives}
    if isinstance(error, UltronError):
        logger.warning("a job failed", extra=details)
    else:
        logger.exception("a job failed unexpectedly", extra=details)
    return Failure(code, reason)
