"""Faults on demand: what the gateway answers instead of the truth, and how often."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from examples.marvel.refusals import (
    RequestRefusedError,
    invalid_credentials,
    status_refusal,
    throttled,
)


class Fault(BaseModel):
    """Answer the next `times` requests that match with an error.

    `match` is a regular expression searched in `path?query` (query sorted by name, without `ts`,
    `apikey` and `hash`). `status` gives the API's own error body unless `body` is set, which is
    sent as it is; `disconnect` closes the connection without an answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: Annotated[str, Field(max_length=500)]
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    retry_after_seconds: Annotated[int, Field(ge=0)] | None = None
    body: str | None = None
    disconnect: bool = False

    @field_validator("match")
    @classmethod
    def _is_regular_expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _does_one_thing(self) -> "Fault":
        if self.disconnect == (self.status is not None):
            raise ValueError("needs either a status or disconnect")
        return self


class FaultScript:
    """Pending faults, oldest first. Not thread-safe: the gateway holds its lock."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._pending: list[tuple[Fault, int]] = []
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        """Append faults behind those still pending."""
        self._pending.extend((fault, fault.times) for fault in faults)

    def take(self, target: str) -> Fault | None:
        """The first pending fault that matches, used up by one; None when none does."""
        for index, (fault, remaining) in enumerate(self._pending):
            if re.search(fault.match, target):
                if remaining == 1:
                    del self._pending[index]
                else:
                    self._pending[index] = (fault, remaining - 1)
                return fault
        return None

    def pending(self) -> list[Fault]:
        """What is still to come, with the remaining `times`."""
        return [fault.model_copy(update={"times": left}) for fault, left in self._pending]


def fault_refusal(status: int, retry_after_seconds: int | None) -> RequestRefusedError:
    """The API's own refusal for a status."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return throttled(retry_after_seconds)
    if status == HTTPStatus.UNAUTHORIZED:
        return invalid_credentials("That hash, timestamp and key combination is invalid.")
    known = status in {member.value for member in HTTPStatus}
    phrase = HTTPStatus(status).phrase if known else "Error"
    return status_refusal(status, phrase, retry_after_seconds)
