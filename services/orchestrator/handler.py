"""Lambda entry of the orchestrator: `POST /chat`."""

import binascii
from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

from services.orchestrator.chat import answer, read_request
from services.orchestrator.chat_request import ChatAnswer
from services.orchestrator.conversation import ChatDefaults, ChatGraph
from services.orchestrator.quotation.extractive import ExtractiveGenerator
from services.orchestrator.retrieve_client import RetrieveFunction
from services.orchestrator.sessions import dynamodb_sessions
from services.orchestrator.settings import OrchestratorSettings
from shared.errors import InvalidInputError, NotFoundError, UltronError
from shared.platform import aws
from shared.platform.http_api import model_response, problem_response
from shared.platform.observability import logger, metrics, tracer


@cache
def _graph() -> ChatGraph:
    settings = OrchestratorSettings.load()
    return ChatGraph(
        retriever=RetrieveFunction(aws.lambda_client(), settings.retrieve_function_name),
        generator=ExtractiveGenerator(),
        checkpointer=dynamodb_sessions(
            aws.dynamodb_client(), settings.checkpoint_table, settings.session_ttl_days
        ),
        defaults=ChatDefaults(
            corpus=settings.default_corpus,
            retrieve_mode=settings.retrieve_mode,
            minimum_similarity=settings.minimum_similarity,
            history_turns=settings.history_turns,
        ),
    )


def build_api(graph: Callable[[], ChatGraph]) -> APIGatewayRestResolver:
    """Make the resolver; `graph` is called with the first valid request."""
    api = APIGatewayRestResolver(enable_validation=True)

    @api.post("/chat")
    def chat() -> Response[ChatAnswer]:
        request = read_request(_body(api))
        body = answer(graph(), request)
        # Lengths and counts only: what people ask is theirs.
        logger.info(
            "turn answered",
            message_characters=len(request.message),
            results=len(body["results"]),
            citations=len(body["citations"]),
            timing_ms=body["timing_ms"],
        )
        return model_response(ChatAnswer.model_validate(body))

    def problem(error: Exception) -> Response[str]:
        request_id = api.current_event.request_context.request_id or ""
        if isinstance(error, UltronError) and error.is_public:
            logger.info("turn refused", code=error.code, status=error.http_status)
        else:
            logger.error("turn failed", error_type=type(error).__name__, exc_info=error)
        return problem_response(error, request_id)

    def unknown_path(_: Exception) -> Response[str]:
        return problem(NotFoundError("no such path; POST to /chat"))

    api.exception_handler(Exception)(problem)
    api.not_found(unknown_path)

    return api


def _body(api: APIGatewayRestResolver) -> str | None:
    try:
        return api.current_event.decoded_body
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidInputError("the body is not UTF-8 text") from error


_api = build_api(_graph)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one turn of a chat."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return _api.resolve(event, context)
