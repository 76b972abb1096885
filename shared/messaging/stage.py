"""Stages whose jobs belong to pages of runs: one by one, or a batch together."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared.errors import InvalidJobError, PostponedError
from shared.messaging.attempts import Line, receive_count
from shared.messaging.record_stage import (
    BatchResponse,
    Event,
    Failure,
    RecordStage,
    StageState,
    invalid_job,
)
from shared.models.jobs import Job
from shared.platform.observability import logger
from shared.runs.page_marks import StageName
from shared.runs.run_store import RunStore

JobT = TypeVar("JobT", bound=Job)


class QueueStage(RecordStage[JobT]):
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
        super().__init__(name, state)
        self._name = name
        self._job_type = job_type
        self._handle = handle

    def _parse(self, body: str) -> JobT:
        return parse_job(body, self._job_type)

    def _do(self, record: SQSRecord, job: JobT) -> None:
        try:
            if not self._is_done(job):
                self._handle(job)
        except PostponedError as error:
            self._give_back(record, job, error)

    def _is_done(self, job: JobT) -> bool:
        return skip_recorded(job, self._name, self._state.runs)

    def _end(self, job: JobT, failure: Failure) -> None:
        runs = self._state.runs
        if runs.reader.exists(job.run_id):
            runs.ledger.end_page(job, "failed", f"{self._name}: {failure.code}: {failure.reason}")

    def _run_of(self, job: JobT) -> str | None:
        return job.run_id

    def _give_back(self, record: SQSRecord, job: JobT, error: PostponedError) -> None:
        """Let a job wait: hide its message, or send the job again as a new message.

        Raises:
            PostponedError: `error`, where the message has to stay in the queue.
        """
        receives = receive_count(record)
        is_sent_again = receives * 2 >= self._state.maximum_receives
        logger.info(
            "a job has to wait",
            extra={
                "stage": self._name,
                "page_id": job.page_id,
                "reason": str(error),
                "receives": receives,
                "is_sent_again": is_sent_again,
            },
        )
        if not is_sent_again:
            self._state.redelivery.postpone(record, error.seconds)
            raise error
        self._state.redelivery.send_again(job, error.seconds)


def parse_job(body: str, job_type: type[JobT]) -> JobT:
    """Read a message body.

    Raises:
        InvalidJobError: it is no job of this stage; names the fields.
    """
    try:
        return job_type.model_validate_json(body)
    except ValidationError as error:
        raise invalid_job(error, job_type.__name__) from None


def job_part(job: Job) -> int | None:
    """Return which part of a page the job is about, None for a whole page."""
    part = getattr(job, "part", None)
    return part if isinstance(part, int) else None


def skip_recorded(job: Job, stage: StageName, runs: RunStore) -> bool:
    """Whether there is nothing to do: an earlier delivery did this job, or its run was cancelled.

    Of a job that was done, make sure that its page was ended.
    """
    if runs.cancelled.has(job.run_id):
        logger.info("dropped a job of a cancelled run", extra={"page_id": job.page_id})
        return True
    if not runs.ledger.finish_recorded(job, stage, job_part(job)):
        return False
    logger.info("skipped a job that is done", extra={"stage": stage, "page_id": job.page_id})
    return True


class QueueBatchStage(QueueStage[JobT]):
    """A stage that does the jobs of a batch together, but for suspects, each of which is alone.

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
        super().__init__(name, job_type, self._do_alone, state)
        self._handle_batch = handle_batch
        self._outcomes: Mapping[str, Exception | None] = {}

    def process(self, event: Event, context: object) -> BatchResponse:
        """Run the whole batch at once, then the suspects, and answer for each message."""
        line = self._line(event)
        self._outcomes = self._run_batch(line)
        return self._process_line(line, context)

    def _run_batch(self, line: Line) -> dict[str, Exception | None]:
        jobs: dict[str, JobT] = {}
        outcomes: dict[str, Exception | None] = {}
        for record in line.records:
            if line.is_suspect(record) or receive_count(record) > self._state.maximum_receives:
                continue
            try:
                job = self._parse(record.body)
            except InvalidJobError:
                continue  # answered for, with its reason, when its own record is processed
            identity = job.model_dump_json()
            if identity in jobs or identity in outcomes:
                continue
            if self._is_done(job):
                outcomes[identity] = None
            else:
                jobs[identity] = job
        if jobs:
            errors = self._handle_batch(list(jobs.values()))
            outcomes |= {identity: errors.get(number) for number, identity in enumerate(jobs)}
        return outcomes

    def _do(self, record: SQSRecord, job: JobT) -> None:
        # What this batch did is known; asking the table again would only repeat its reads.
        if job.model_dump_json() not in self._outcomes:
            super()._do(record, job)
        elif error := self._outcomes[job.model_dump_json()]:
            raise error

    def _do_alone(self, job: JobT) -> None:
        error = self._handle_batch([job]).get(0)
        if error is not None:
            raise error
