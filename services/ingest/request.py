"""What starts or steers a run: the event of the schedule, or a direct invocation."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from aws_lambda_powertools.utilities.parser import ValidationError, parse
from pydantic import AwareDatetime, Field

from shared.errors import InvalidInputError
from shared.models.base import Contract, CorpusName, RunId
from shared.models.forms import field_problems
from shared.models.run import RunMode

_USAGE = (
    'send {"corpus": "…", "mode": "incremental" or "full", "request_id": "…"} to start a run, or '
    '{"action": "resume", "cancel" or "retry_gaps", "run_id": "…"}'
)


# A run is named and numbered after its time: it has four digits of a year, and is no less than 0.
_Time = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(9999, 12, 31, tzinfo=UTC)),
]


class IngestRequest(Contract):
    """A request for a run.

    `request_id` names the request: the same one, delivered again, resumes its run and starts no
    other. `time` is when the schedule fired; without it a new run is named after the present.
    """

    corpus: CorpusName
    mode: RunMode = "incremental"
    request_id: Annotated[str, Field(min_length=1, max_length=200)]
    time: _Time | None = None

    @property
    def request_hash(self) -> str:
        """The end of the run id, 8 hex characters.

        One event of the schedule asks for a run of every corpus, so the corpus is part of it.
        """
        return hashlib.sha256(f"{self.corpus}/{self.request_id}".encode()).hexdigest()[:8]

    def run_id(self, now: datetime) -> str:
        """Return the id of a new run for this request."""
        moment = (self.time or now).astimezone(UTC)
        return f"{moment:%Y%m%dT%H%M%SZ}-{self.request_hash}"


class RunRequest(Contract):
    """What to do with an existing run."""

    action: Literal["resume", "cancel", "retry_gaps"]
    run_id: RunId


def parse_request(event: Mapping[str, Any], invocation_id: str) -> IngestRequest:
    """Read what starts a run; `invocation_id` stands in for a missing `request_id`.

    Raises:
        InvalidInputError: names each wrong field.
    """
    fields = {name: value for name, value in event.items() if name != "action"}
    try:
        return parse(event={"request_id": invocation_id, **fields}, model=IngestRequest)
    except ValidationError as error:
        raise _invalid(error) from None


def parse_run_request(event: Mapping[str, Any]) -> RunRequest:
    """Read what steers a run.

    Raises:
        InvalidInputError: names each wrong field.
    """
    try:
        return parse(event=dict(event), model=RunRequest)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidInputError:
    problems = field_problems(error, "event")
    return InvalidInputError(f"the request is not valid: {problems}; {_USAGE}")
