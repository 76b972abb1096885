"""What the clients in memory have in common: their parameters, their answers and their errors."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Never

from botocore.exceptions import ClientError, ParamValidationError

Clock = Callable[[], datetime]
"""Tells the time, as a datetime that knows its time zone."""

Answer = dict[str, Any]
"""An answer as boto3 returns it."""


def check_parameters(
    operation: str, request: Mapping[str, Any], required: frozenset[str], optional: frozenset[str]
) -> None:
    """Refuse a call with a parameter that is not simulated, or without one that is required.

    Raises:
        NotImplementedError: names the parameters that are not simulated.
        ParamValidationError: names those that are missing, as botocore does.
    """
    if unknown := request.keys() - required - optional:
        raise NotImplementedError(f"{operation} with {', '.join(sorted(unknown))}")
    if missing := required - request.keys():
        raise ParamValidationError(report=f"missing parameters: {', '.join(sorted(missing))}")


class ServiceErrors:
    """The error classes of a service by their names, as `client.exceptions` of boto3 has them.

    `codes` names the error code of each class. A code without a class makes a plain `ClientError`,
    as boto3 does.
    """

    def __init__(self, codes: Mapping[str, str]) -> None:
        self._classes = {name: type(name, (ClientError,), {}) for name in codes}
        self._by_code = {code: self._classes[name] for name, code in codes.items()}
        self._classes["ClientError"] = ClientError

    def __getattr__(self, name: str) -> type[ClientError]:
        try:
            classes: dict[str, type[ClientError]] = self.__dict__["_classes"]
            return classes[name]
        except KeyError:
            raise AttributeError(f"no exception {name} is simulated") from None

    def of(self, operation: str, response: Answer) -> ClientError:
        """Make the error that boto3 raises for a response with an `Error`."""
        made: Callable[..., ClientError] = self._by_code.get(response["Error"]["Code"], ClientError)
        return made(response, operation)


class ServiceEvents:
    """Takes handlers of the answers of a service, as `client.meta.events` of boto3 does."""

    def __init__(self, service: str) -> None:
        self._event = f"after-call.{service}"
        self._handlers: list[Callable[..., Any]] = []

    def register(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Call a handler with `parsed`, an answer or an error, after every call of the service."""
        if event_name != self._event:
            raise NotImplementedError(f"the event {event_name}")
        self._handlers.append(handler)

    def emit(self, parsed: Answer) -> None:
        """Call all handlers."""
        for handler in self._handlers:
            handler(event_name=self._event, parsed=parsed)


class ServiceAnswers:
    """Makes the answers and errors of the client of one service, dated by `clock`.

    Each is handed to the handlers of `events` before it is returned or raised.
    """

    def __init__(self, service: str, clock: Clock, errors: ServiceErrors) -> None:
        self._clock = clock
        self._errors = errors
        self._made = 0
        self._dated = (0, "")
        self.events = ServiceEvents(service)

    def answer(self, content: Answer, status: int = 200) -> Answer:
        """Return an answer with its `ResponseMetadata`."""
        content["ResponseMetadata"] = self.metadata(status)
        self.events.emit(content)
        return content

    def fail(
        self, operation: str, code: str, message: str, status: int = 400, **beside: Any
    ) -> Never:
        """Raise the error of a code; `beside` is what the response has beside its `Error`."""
        error = {"Code": code, "Message": message, **beside.pop("details", {})}
        response = {"Error": error, "ResponseMetadata": self.metadata(status), **beside}
        self.events.emit(response)
        raise self._errors.of(operation, response)

    def metadata(self, status: int) -> Answer:
        """Return the `ResponseMetadata` of an answer given now."""
        self._made += 1
        return {
            "RequestId": f"request-{self._made:08d}",
            "HTTPStatusCode": status,
            "HTTPHeaders": {"date": self._date()},
            "RetryAttempts": 0,
        }

    def _date(self) -> str:
        now = self._clock()
        second = int(now.timestamp())
        if self._dated[0] != second:
            whole = datetime.fromtimestamp(second, UTC)
            self._dated = second, format_datetime(whole, usegmt=True)
        return self._dated[1]
