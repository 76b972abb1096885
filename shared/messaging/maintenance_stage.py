"""Runs the queue of maintenance: jobs of several kinds, which belong to no page of a run."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared.errors import PostponedError
from shared.messaging.stage import (
    BatchResponse,
    Event,
    StageState,
    invalid_job,
    log_failure,
    run_records,
)
from shared.models.maintenance import MaintenanceJob, SweepJob, maintenance_job
from shared.observability import logger


class MaintenanceStage:
    """Parses messages to maintenance jobs and runs them one by one.

    `handle` does one job. Nothing records that a job is done, so it may be called again for a job
    that it did before, and must then change nothing. A run whose sweep is given up is ended.
    """

    def __init__(
        self, name: str, handle: Callable[[MaintenanceJob], None], state: StageState
    ) -> None:
        self._name = name
        self._handle = handle
        self._state = state

    def process(self, event: Event, context: Any) -> BatchResponse:
        """Run a batch and return the failed messages, as the event source mapping expects."""
        return run_records(event, context, self._process_record)

    def _process_record(self, record: SQSRecord) -> None:
        job: MaintenanceJob | None = None
        try:
            job = parse_maintenance_job(record.body)
            self._do_or_send_later(job)
        except Exception as error:
            self._record_failure(record, job, error)
            raise

    def _do_or_send_later(self, job: MaintenanceJob) -> None:
        try:
            self._handle(job)
        except PostponedError as error:
            logger.info("a job has to wait", extra={"stage": self._name, "reason": str(error)})
            self._state.redelivery.send_later(job, error.seconds)

    def _record_failure(
        self, record: SQSRecord, job: MaintenanceJob | None, error: Exception
    ) -> None:
        failure = log_failure(self._name, record, error)
        if failure.receives < self._state.maximum_receives:
            self._state.redelivery.schedule(record, failure.receives)
            return
        code, reason = failure.code, failure.reason
        run_id = job.run_id if isinstance(job, SweepJob) else None
        self._state.failures.record(self._name, record.message_id, code, reason, run_id)
        if run_id is not None and self._state.runs.exists(run_id):
            # A run waits for its sweep: it must not wait for ever.
            self._state.runs.give_up_sweep(run_id, f"the sweep failed: {code}: {reason}")
        self._state.redelivery.give_up(record)


def parse_maintenance_job(body: str) -> MaintenanceJob:
    """Read a message body.

    Raises:
        InvalidJobError: it is no maintenance job; names the fields.
    """
    try:
        return maintenance_job.validate_json(body)
    except ValidationError as error:
        raise invalid_job(error, "maintenance job") from None
