"""Runs the queue of maintenance: jobs of several kinds, which belong to no page of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared.messaging.redelivery import Redelivery
from shared.messaging.stage import BatchResponse, Event, invalid_job, log_failure, run_records
from shared.models.maintenance import MaintenanceJob, SweepJob, maintenance_job
from shared.state.failures import FailureLog


@dataclass(frozen=True, slots=True)
class MaintenanceState:
    """What the stage needs to account for messages that fail."""

    failures: FailureLog
    maximum_receives: int
    redelivery: Redelivery


class MaintenanceStage:
    """Parses messages to maintenance jobs and runs them one by one.

    `handle` does one job. Nothing records that a job is done, so it may be called again for a job
    that it did before, and must then change nothing.
    """

    def __init__(
        self, name: str, handle: Callable[[MaintenanceJob], None], state: MaintenanceState
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
            self._handle(job)
        except Exception as error:
            self._record_failure(record, job, error)
            raise

    def _record_failure(
        self, record: SQSRecord, job: MaintenanceJob | None, error: Exception
    ) -> None:
        failure = log_failure(self._name, record, error)
        if failure.receives < self._state.maximum_receives:
            self._state.redelivery.schedule(record, failure.receives)
            return
        run_id = job.run_id if isinstance(job, SweepJob) else None
        self._state.failures.record(
            self._name, record.message_id, failure.code, failure.reason, run_id
        )
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
