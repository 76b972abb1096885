"""Runs the batches of a queue stage: each message fails alone, and its last failure is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared.errors import InvalidJobError, PostponedError, UltronError
from shared.messaging.redelivery import Redelivery
from shared.models.jobs import Job
from shared.observability import logger, metrics
from shared.state.failures import FailureLog
from shared.state.runs import RunStore, StageName
from shared.validation import field_problems

JobT = TypeVar("JobT", bound=Job)
Event = Mapping[str, Any]
BatchResponse = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StageState:
    """What every stage needs to account for its jobs."""

    runs: RunStore
    failures: FailureLog
    maximum_receives: int
    redelivery: Redelivery


class QueueStage(Generic[JobT]):
    """Parses messages to jobs, skips those that are recorded, and runs the rest one by one.

    `handle` does the work of one job: read, write the output, publish, then record.
    """

    def __init__(
        self,
        name: StageName,
        job_type: type[JobT],
        handle: Callable[[JobT], None],
        state: StageState,
    ) -> None:
        self._name = name
        self._job_type = job_type
        self._handle = handle
        self._state = state

    def process(self, event: Event, context: Any) -> BatchResponse:
        """Run a batch and return the failed messages, as the event source mapping expects."""
        return run_records(event, context, self._process_record)

    def _process_record(self, record: SQSRecord) -> None:
        job: JobT | None = None
        try:
            job = parse_job(record.body, self._job_type)
            self._do_or_give_back(record, job)
        except PostponedError:
            raise  # the message is kept, and hidden until its turn: that is no failure
        except Exception as error:
            record_failure(self._name, record, job, error, self._state)
            raise

    def _do_or_give_back(self, record: SQSRecord, job: JobT) -> None:
        try:
            self._do(job)
        except PostponedError as error:
            give_back(self._name, record, job, error, self._state)

    def _do(self, job: JobT) -> None:
        if not skip_recorded(job, self._name, self._state.runs):
            self._handle(job)


def run_records(
    event: Event, context: Any, process_record: Callable[[SQSRecord], None]
) -> BatchResponse:
    """Process each message of an event; those whose processing raises are named as failed."""
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    records = list(event.get("Records", []))
    with processor(records, process_record, context):
        processor.process()
    response = processor.response()
    metrics.add_metric("Jobs", MetricUnit.Count, len(records))
    kept = len(response["batchItemFailures"])
    postponed = sum(isinstance(error, PostponedError) for _, error, _ in processor.exceptions)
    metrics.add_metric("FailedJobs", MetricUnit.Count, kept - postponed)
    metrics.add_metric("PostponedJobs", MetricUnit.Count, postponed)
    return dict(response)


def parse_job(body: str, job_type: type[JobT]) -> JobT:
    """Read a message body.

    Raises:
        InvalidJobError: it is no job of this stage; names the fields.
    """
    try:
        return job_type.model_validate_json(body)
    except ValidationError as error:
        raise invalid_job(error, job_type.__name__) from None


def invalid_job(error: ValidationError, expected: str) -> InvalidJobError:
    """Say which fields of a message are wrong, without their values."""
    fields = field_problems(error, "message")
    return InvalidJobError(f"the message is no {expected}: {fields}")


def job_part(job: Job) -> int | None:
    """Return which part of a page the job is about, None for a whole page."""
    part = getattr(job, "part", None)
    return part if isinstance(part, int) else None


def skip_recorded(job: Job, stage: StageName, runs: RunStore) -> bool:
    """Whether there is nothing to do: an earlier delivery did this job, or its run was cancelled.

    Of a job that was done, make sure that its page was ended.
    """
    if runs.is_cancelled(job.run_id):
        logger.info("dropped a job of a cancelled run", extra={"page_id": job.page_id})
        return True
    if not runs.is_recorded(job, stage, job_part(job)):
        return False
    logger.info("skipped a job that is done", extra={"stage": stage, "page_id": job.page_id})
    runs.end_page_if_complete(job)
    return True


def record_failure(
    stage: StageName, record: SQSRecord, job: Job | None, error: Exception, state: StageState
) -> None:
    """Log a failure; at the last receive, keep its reason and count the page as failed."""
    failure = log_failure(stage, record, error)
    if failure.receives < state.maximum_receives:
        state.redelivery.schedule(record, failure.receives)
        return
    code, reason = failure.code, failure.reason
    state.failures.record(stage, record.message_id, code, reason, job.run_id if job else None)
    if job is not None and state.runs.exists(job.run_id):
        state.runs.end_page(job, "failed", f"{stage}: {code}: {reason}")
    state.redelivery.give_up(record)


def give_back(
    stage: StageName, record: SQSRecord, job: Job, error: PostponedError, state: StageState
) -> None:
    """Let a job wait for its turn: hide its message, or send it again and be done with this one.

    Raises:
        PostponedError: `error`, where the message has to stay in the queue.
    """
    receives = int(record.attributes.approximate_receive_count or 1)
    is_sent_again = receives * 2 >= state.maximum_receives
    logger.info(
        "a job has to wait",
        extra={
            "stage": stage,
            "page_id": job.page_id,
            "reason": str(error),
            "receives": receives,
            "is_sent_again": is_sent_again,
        },
    )
    if not is_sent_again:
        state.redelivery.postpone(record, error.seconds)
        raise error
    state.redelivery.send_again(job, error.seconds)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message failed, in words that may be shown, and how often it was received."""

    code: str
    reason: str
    receives: int


def log_failure(stage: str, record: SQSRecord, error: Exception) -> Failure:
    """Log why a message failed, and return it."""
    code = error.code if isinstance(error, UltronError) else type(error).__name__
    # Errors of libraries may quote data or requests: only our own messages are shown.
    reason = str(error) if isinstance(error, UltronError) else f"unexpected {code}"
    receives = int(record.attributes.approximate_receive_count or 1)
    details = {"stage": stage, "code": code, "reason": reason, "receives": receives}
    if isinstance(error, UltronError):
        logger.warning("a job failed", extra=details)
    else:
        logger.exception("a job failed unexpectedly", extra=details)
    return Failure(code, reason, receives)


class QueueBatchStage(QueueStage[JobT]):
    """A stage that does the jobs of a batch together.

    `handle_batch` returns, for each position whose job failed, the error it failed with; the jobs
    it does not name succeeded.
    """

    def __init__(
        self,
        name: StageName,
        job_type: type[JobT],
        handle_batch: Callable[[Sequence[JobT]], Mapping[int, Exception]],
        state: StageState,
    ) -> None:
        super().__init__(name, job_type, self._answer, state)
        self._handle_batch = handle_batch
        self._outcomes: Mapping[str, Exception | None] = {}

    def process(self, event: Event, context: Any) -> BatchResponse:
        """Run the whole batch at once, then answer for each message."""
        self._outcomes = self._run_batch(event)
        return super().process(event, context)

    def _run_batch(self, event: Event) -> dict[str, Exception | None]:
        jobs: dict[str, JobT] = {}
        for record in event.get("Records", []):
            try:
                job = parse_job(record["body"], self._job_type)
            except InvalidJobError:
                continue  # answered for, with its reason, when its own record is processed
            runs = self._state.runs
            if runs.is_cancelled(job.run_id):
                continue
            if not runs.is_recorded(job, self._name, job_part(job)):
                jobs.setdefault(job.model_dump_json(), job)
        if not jobs:
            return {}
        errors = self._handle_batch(list(jobs.values()))
        return {identity: errors.get(number) for number, identity in enumerate(jobs)}

    def _do(self, job: JobT) -> None:
        # What this batch did is known; asking the table again would only repeat its reads.
        if job.model_dump_json() in self._outcomes:
            self._answer(job)
        else:
            super()._do(job)

    def _answer(self, job: JobT) -> None:
        # A job that the batch never saw must fail, and come again, rather than pass for done.
        error = self._outcomes[job.model_dump_json()]
        if error is not None:
            raise error
