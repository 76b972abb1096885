"""What stands between a worker and the AWS in memory: turns, faults, and the worker's death."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.simulation.faults import READS, FaultPlan, cancelled, lost_answer, refusal, undecided
from tests.simulation.scheduler import Scheduler

if TYPE_CHECKING:
    from tests.simulation.world import MemoryAws

Observer = Callable[[str, str, Mapping[str, Any]], None]
"""Is told of every call that took effect: its service, its operation and its request."""

_PAGES: dict[str, tuple[str, str]] = {
    "query": ("ExclusiveStartKey", "LastEvaluatedKey"),
    "list_objects_v2": ("ContinuationToken", "NextContinuationToken"),
    "get_parameters_by_path": ("NextToken", "NextToken"),
}
"""Of each paged call: the field of the request that goes on, and where its value comes from."""


class Wire:
    """A client of one service as one worker has it."""

    def __init__(
        self,
        service: str,
        client: Any,
        scheduler: Scheduler,
        faults: FaultPlan,
        observe: Observer,
        is_broken: Callable[[], bool] = lambda: False,
    ) -> None:
        self._observe = observe
        self._is_broken = is_broken
        self._service = service
        self._client = client
        self._scheduler = scheduler
        self._faults = faults
        self.exceptions = getattr(client, "exceptions", None)
        self.meta = _Meta()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            return self._call(operation, method, request)

        setattr(self, operation, call)  # found at once from now on
        return call

    def get_paginator(self, operation: str) -> "_Paginator":
        return _Paginator(getattr(self, operation), *_PAGES[operation])

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        self.put_object(Bucket=bucket, Key=key, Body=Path(path).read_bytes())

    def download_file(self, bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _call(self, operation: str, method: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        self._scheduler.pause(is_write=not operation.startswith(READS))
        if self._is_broken():
            raise refusal(self._service, operation, request)
        fault = self._faults.next(self._service, operation)
        match fault:
            case "killed_before":
                self._scheduler.kill()
            case "refused":
                raise refusal(self._service, operation, request)
            case "partial":
                return self._partly(operation, method, request)
        try:
            answer = method(**request)
        finally:
            self._note_time()
        self._observe(self._service, operation, request)
        match fault:
            case "killed_after":
                self._scheduler.kill()
            case "lost":
                raise lost_answer(self._service)
            case "repeated":
                return self._repeat(method, request)
        return answer

    def _repeat(self, method: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        self._scheduler.pause()
        try:
            return method(**request)
        except ClientError as error:
            error.response.setdefault("ResponseMetadata", {})["RetryAttempts"] = 1  # type: ignore[typeddict-item]
            raise

    def _partly(
        self, operation: str, method: Callable[..., Any], request: Mapping[str, Any]
    ) -> Any:
        if operation == "put_object":
            raise undecided(operation)
        if operation == "transact_write_items":
            raise cancelled(request, "TransactionConflict")
        if operation == "send_message_batch":
            first, *rest = request["Entries"]
            failed = {"Id": first["Id"], "Code": "ServiceUnavailable", "SenderFault": False}
            answer: dict[str, Any] = {"Successful": []}
            if rest:
                answer = method(**{**request, "Entries": rest})
            return {**answer, "Failed": [*answer.get("Failed", ()), failed]}
        [(table, asked)] = request["RequestItems"].items()
        first, *rest = asked["Keys"]
        answer = {"Responses": {table: []}}
        if rest:
            answer = method(RequestItems={table: {**asked, "Keys": rest}})
        return {**answer, "UnprocessedKeys": {table: {**asked, "Keys": [first]}}}

    def _note_time(self) -> None:
        """Tell who listens what the `Date` header of an answer says."""
        if self.meta.events.listeners:
            headers = {"date": _http_date(int(self._scheduler.elapsed))}
            parsed = {"ResponseMetadata": {"HTTPHeaders": headers}}
            for listener in self.meta.events.listeners:
                listener(parsed=parsed)


@lru_cache(512)
def _http_date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)


class _Events:
    def __init__(self) -> None:
        self.listeners: list[Callable[..., None]] = []

    def register(self, event: str, listener: Callable[..., None]) -> None:
        if event == "after-call.dynamodb":
            self.listeners.append(listener)


class _Meta:
    def __init__(self) -> None:
        self.events = _Events()


class _Paginator:
    """Asks for one page after another, each a separate effect."""

    def __init__(self, call: Callable[..., Any], sent: str, found: str) -> None:
        self._call = call
        self._sent = sent
        self._found = found

    def paginate(self, **request: Any) -> Iterator[Any]:
        while True:
            page = self._call(**request)
            yield page
            following = page.get(self._found)
            if not following:
                return
            request[self._sent] = following


class Clients:
    """The clients of one worker."""

    def __init__(
        self,
        aws: "MemoryAws",
        scheduler: Scheduler,
        faults: FaultPlan,
        observe: Observer,
        is_broken: Callable[[], bool],
    ) -> None:
        self.dynamodb: Any = Wire("dynamodb", aws.dynamodb, scheduler, faults, observe)
        self.s3: Any = Wire("s3", aws.s3, scheduler, faults, observe, is_broken)
        self.sqs: Any = Wire("sqs", aws.sqs, scheduler, faults, observe)
        self.ssm: Any = Wire("ssm", aws.ssm, scheduler, faults, observe)
