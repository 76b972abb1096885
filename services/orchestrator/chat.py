"""`POST /chat` as a function of the request's body; HTTP and AWS stay outside."""

import time
import uuid
from typing import Any

from aws_lambda_powertools.utilities.parser import ValidationError, parse

from services.orchestrator.chat_request import MAXIMUM_BODY_BYTES, ChatFilters, ChatRequest
from services.orchestrator.conversation import ChatGraph, Reply
from services.orchestrator.generator import Citation
from shared.platform.http_api import input_error, parse_json_object


def read_request(body: str | None) -> ChatRequest:
    """Check a request's body.

    Raises:
        InvalidInputError: it is no JSON object, or a field is unknown or out of its bounds.
        TextTooLongError: the body, the message or a filter is too long.
    """
    document = parse_json_object(body, maximum_bytes=MAXIMUM_BODY_BYTES)
    try:
        return parse(event=document, model=ChatRequest)
    except ValidationError as error:
        is_about_filters = any(len(e["loc"]) > 1 for e in error.errors(include_input=False))
        known = ChatFilters if is_about_filters else ChatRequest
        raise input_error(error, allowed=list(known.model_fields)) from None


def answer(graph: ChatGraph, request: ChatRequest) -> dict[str, Any]:
    """Play the turn and give the body of the response.

    Raises:
        UltronError: see `ChatGraph.run`.
    """
    started = time.perf_counter()
    session_id = request.session_id or str(uuid.uuid4())
    reply = graph.run(session_id, request)
    total_milliseconds = (time.perf_counter() - started) * 1_000
    return {
        "session_id": session_id,
        **({"corrected": dict(corrected)} if (corrected := reply.retrieved.corrected) else {}),
        "answer": reply.draft.answer,
        "citations": [_citation(citation) for citation in reply.draft.citations],
        "results": list(reply.retrieved.results),
        "mode": graph.generator_name,
        "attribution": reply.retrieved.attribution,
        "timing_ms": _timing(reply, total_milliseconds),
    }


def _citation(citation: Citation) -> dict[str, Any]:
    passage = citation.passage
    return {
        "n": citation.number,
        "id": passage.chunk_id,
        "title": passage.title,
        "url": passage.url,
        "snippet": passage.text,
    }


def _timing(reply: Reply, total_milliseconds: float) -> dict[str, float]:
    return {
        "retrieve": round(reply.retrieve_milliseconds, 1),
        "generate": round(reply.generate_milliseconds, 1),
        "total": round(total_milliseconds, 1),
    }
