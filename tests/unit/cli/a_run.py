"""A run as a table tells of it."""

from shared.models.run import RunProgress, RunRecord, RunStatus

RUN_ID = "20261123T060000Z-1a2b3c4d"


def a_run(
    status: RunStatus = "running",
    planned: int = 3,
    reason: str | None = None,
    **counters: int,
) -> RunProgress:
    record = RunRecord(
        run_id=RUN_ID,
        corpus="marvel",
        mode="full",
        status=status,
        seq=1,
        started_at="2026-11-23T06:00:00+00:00",
        pages_planned=planned,
        reason=reason,
    )
    return RunProgress(run=record, **counters)
