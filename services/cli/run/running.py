"""Starting a run, steering it, and watching it to its end."""

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from services.cli.errors import UnavailableError
from services.cli.functions import invoke
from shared.errors import LeaseHeldError
from shared.models.run import RunMode, RunProgress

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

Action = Literal["cancel", "resume", "retry_gaps"]

POLL_SECONDS = 1.0


class ReadsRuns(Protocol):
    """What of RunReader is needed here."""

    def get_run(self, run_id: str) -> RunProgress:
        """Return a run with its counters, or raise NotFoundError."""
        ...


def start_run(client: "LambdaClient", function_name: str, corpus: str, mode: RunMode) -> str:
    """Have the ingest function plan a run; its id.

    The request has its own id, so that a retry of the call starts no second run.

    Raises:
        LeaseHeldError: another run holds the corpus; names it.
        UltronError: what the function raised (NotFoundError for an unknown corpus …), or
            UnavailableError when its answer is none.
    """
    event = {"corpus": corpus, "mode": mode, "request_id": str(uuid.uuid4())}
    summary = invoke(client, function_name, event)
    try:
        run_id, status = str(summary["run_id"]), str(summary["status"])
    except KeyError:
        raise UnavailableError(
            f"{function_name} answered without a run_id; is that the ingest function?"
        ) from None
    if status == "busy":
        raise LeaseHeldError(
            f"run {run_id} holds {corpus}; `ultron run watch {run_id}` waits for its end"
        )
    return run_id


def steer_run(
    client: "LambdaClient", function_name: str, action: Action, run_id: str
) -> dict[str, Any]:
    """Have the ingest function do something with a run; its summary of the run.

    Asking again is safe: what an earlier try left half-way is finished.

    Raises:
        UltronError: what the function raised (NotFoundError for an unknown run, ConflictError for
            one in another state …), or UnavailableError when its answer is none.
    """
    summary = invoke(client, function_name, {"action": action, "run_id": run_id})
    if not {"run_id", "status"} <= summary.keys():
        raise UnavailableError(
            f"{function_name} answered without the run's status; is that the ingest function?"
        )
    return summary


def watch_run(
    runs: ReadsRuns,
    run_id: str,
    show: Callable[[RunProgress], None],
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> RunProgress:
    """Show a run's progress until it ends; its last state.

    Raises:
        NotFoundError: there is no such run.
        UnavailableError: it has not ended in time; it goes on.
    """
    deadline = clock() + timeout_seconds
    while True:
        progress = runs.get_run(run_id)
        show(progress)
        if progress.is_ended:
            return progress
        if clock() >= deadline:
            raise UnavailableError(
                f"run {run_id} has not ended within {timeout_seconds:.0f} s and goes on; "
                f"`ultron run watch {run_id}` watches it further"
            )
        pause(POLL_SECONDS)
