"""Runs the queue of maintenance: jobs of several kinds, which belong to no page of a run."""

from collections.abc import Callable

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from shared.errors import PostponedError
from shared.messaging.record_stage import Failure, RecordStage, StageState, invalid_job
from shared.models.maintenance import MaintenanceJob, SweepJob, maintenance_job
from shared.platform.observability import logger


class MaintenanceStage(RecordStage[MaintenanceJob]):
    """Parses messages to maintenance jobs and runs them one by one.

    `handle` does one job. Nothing records that a job is done, so it may be called again for a job
    that it did before, and must then change nothing. A run whose sweep is given up is ended.
    """

    def __init__(
        self, name: str, handle: Callable[[MaintenanceJob], None], state: StageState
    ) -> None:
        super().__init__(name, state)
        self._handle = handle

    def _parse(self, body: str) -> MaintenanceJob:
        return parse_maintenance_job(body)

    def _do(self, record: SQSRecord, job: MaintenanceJob) -> None:  # noqa: ARG002 - as its base
        try:
            self._handle(job)
        except PostponedError as error:
            logger.info("a job has to wait", extra={"stage": self._stage, "reason": str(error)})
            self._state.redelivery.send_later(job, error.seconds)

    def _is_done(self, job: MaintenanceJob) -> bool:  # noqa: ARG002 - nothing records it
        return False

    def _end(self, job: MaintenanceJob, failure: Failure) -> None:
        run_id = self._run_of(job)
        if run_id is not None and self._state.runs.reader.exists(run_id):
            # A run waits for its sweep: it must not wait for ever.
            reason = f"the sweep failed: {failure.code}: {failure.reason}"
            self._state.runs.endings.give_up_sweep(run_id, reason)

    def _run_of(self, job: MaintenanceJob) -> str | None:
        return job.run_id if isinstance(job, SweepJob) else None


def parse_maintenance_job(body: str) -> MaintenanceJob:
    """Read a message body.

    Raises:
        InvalidJobError: it is no maintenance job; names the fields.
    """
    try:
        return maintenance_job.validate_json(body)
    except ValidationError as error:
        raise invalid_job(error, "maintenance job") from None
