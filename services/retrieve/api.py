"""The two ways in: HTTP through API Gateway, and direct invocation by another function."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from services.retrieve.answer import RetrieveAnswer
from services.retrieve.parsing import parse_group, parse_payload, parse_query_string, parse_recall
from services.retrieve.request import RecallRequest, RetrieveRequest
from shared.errors import NotFoundError, UltronError
from shared.index.search.group_messages import GroupRequest
from shared.platform.http_api import error_summary, json_response, model_response, problem_response
from shared.platform.observability import logger


class Answering(Protocol):
    """What answers a checked request."""

    def retrieve(self, request: RetrieveRequest) -> dict[str, Any]:
        """Return the body of the answer."""
        ...

    def recall(self, request: RecallRequest) -> dict[str, Any]:
        """Say how well the index recalls."""
        ...

    def answer_group(self, request: GroupRequest) -> dict[str, Any]:
        """Search a group of shards."""
        ...


def build_api(
    retriever: Callable[[], Answering], health: Callable[[], Mapping[str, Any]]
) -> APIGatewayRestResolver:
    """Make the resolver; `retriever` is called with the first valid request."""
    api = APIGatewayRestResolver(enable_validation=True)

    @api.get("/retrieve")
    def get_retrieve() -> Response[RetrieveAnswer]:
        request = parse_query_string(query_parameters(api.current_event.raw_event))
        return model_response(RetrieveAnswer.model_validate(retriever().retrieve(request)))

    @api.get("/health")
    def get_health() -> Response[str]:
        return json_response(health())

    def problem(error: Exception) -> Response[str]:
        _log_failure(error)
        return problem_response(error, api.current_event.request_context.request_id or "")

    def unknown_route(_: Exception) -> Response[str]:
        event = api.current_event
        return problem(NotFoundError(f"there is no {event.http_method} {event.path}"))

    api.not_found(unknown_route)
    api.exception_handler(Exception)(problem)
    return api


def is_direct(event: Mapping[str, Any]) -> bool:
    """Whether another function or a person sent this, rather than API Gateway."""
    return any(kind in event for kind in _DIRECT)


def answer_directly(retriever: Callable[[], Answering], event: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `{"retrieve": …}`, `{"recall": …}` or, for this function itself, `{"group": …}`.

    Returns:
        For `retrieve`, the body of the HTTP answer. For any, `{"error": {code, message, status}}`.
    """
    kind = next(kind for kind in _DIRECT if kind in event)
    try:
        return _DIRECT[kind](retriever, event[kind])
    except Exception as error:  # noqa: BLE001 - the caller gets it as data, the log the rest
        _log_failure(error)
        return {"error": error_summary(error)}


_DIRECT: Mapping[str, Callable[[Callable[[], Answering], Any], dict[str, Any]]] = {
    "retrieve": lambda retriever, payload: retriever().retrieve(parse_payload(payload)),
    "recall": lambda retriever, payload: retriever().recall(parse_recall(payload)),
    "group": lambda retriever, payload: retriever().answer_group(parse_group(payload)),
}


def query_parameters(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every parameter with all of its values; some senders give only the single values."""
    several = event.get("multiValueQueryStringParameters")
    if several:
        return {name: list(values) for name, values in several.items()}
    single = event.get("queryStringParameters") or {}
    return {name: [value] for name, value in single.items()}


def _log_failure(error: Exception) -> None:
    summary = error_summary(error)
    if summary["status"] < HTTPStatus.INTERNAL_SERVER_ERROR:
        # The message may repeat what the caller sent, so it is not logged.
        logger.info("refused", extra={"code": summary["code"], "status": summary["status"]})
    elif isinstance(error, UltronError):
        cause = str(error.__cause__ or "")
        logger.error("failed", extra={"code": error.code, "reason": str(error), "cause": cause})
    else:
        logger.exception("failed unexpectedly")
