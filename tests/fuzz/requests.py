"""What callers of the API, of the functions and of the command hand in, and what they are told."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from pydantic import TypeAdapter

from services.cli.ask.api import read_answer as read_api_answer
from services.cli.corpus.corpus_files import read_corpus_file
from services.compactor.request import parse_request as parse_compactor_request
from services.ingest.request import parse_request, parse_run_request
from services.orchestrator.chat import read_request
from services.orchestrator.retrieve_client import read_answer
from services.retrieve.api import query_parameters
from services.retrieve.parsing import parse_group, parse_payload, parse_query_string, parse_recall
from services.retrieve.request import RetrieveRequest
from shared.corpora.documents import check_corpus, corpus_document, parse_corpus
from shared.errors import InvalidInputError, SettingsError, TextTooLongError, UltronError
from shared.index.search.group_messages import SearchRequest
from shared.models.base import RunId
from shared.platform.http_api import problem_document
from tests.fuzz.target import Target, text_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RUN_ID: TypeAdapter[str] = TypeAdapter(RunId)
REFUSALS = (InvalidInputError, TextTooLongError)


def answered(ask: Callable[[], object]) -> None:
    """A caller is refused in words that can be sent."""
    try:
        ask()
    except REFUSALS as error:
        json.dumps(problem_document(error, "id"), ensure_ascii=False).encode()


def json_of(data: bytes) -> Any:
    """An event, which Lambda has parsed; None where it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def use(request: RetrieveRequest) -> None:
    request.filters.search_filters()
    json.dumps(request.filters.given(), ensure_ascii=False).encode()
    request.q.encode()


def retrieve_query(data: bytes) -> None:
    parameters = parse_qs(text_of(data), keep_blank_values=True, errors="replace")
    event = {"multiValueQueryStringParameters": parameters}
    answered(lambda: use(parse_query_string(query_parameters(event))))


def retrieve_payload(data: bytes) -> None:
    payload = json_of(data)
    answered(lambda: use(parse_payload(payload)))
    answered(lambda: parse_recall(payload))
    answered(lambda: _as_group(payload))


def _as_group(payload: Any) -> None:
    request = parse_group(payload)
    if isinstance(request, SearchRequest):
        asked = request.query()
        assert SearchRequest.of(request.scope, asked).query().terms == asked.terms


def chat_request(data: bytes) -> None:
    answered(lambda: read_request(text_of(data)).message.encode())


def ingest_request(data: bytes) -> None:
    event = json_of(data)
    if isinstance(event, dict):
        answered(lambda: RUN_ID.validate_python(parse_request(event, "invocation").run_id(NOW)))
        answered(lambda: parse_run_request(event))


def compactor_request(data: bytes) -> None:
    event = json_of(data)
    if isinstance(event, dict):
        answered(lambda: parse_compactor_request(event).corpus)


def corpus_document_(data: bytes) -> None:
    try:
        corpus = parse_corpus(text_of(data), "/the/parameter")
    except SettingsError as error:
        str(error).encode()
    else:
        assert parse_corpus(corpus_document(corpus), "/the/parameter") == corpus
    answered(lambda: check_corpus(json_of(data), "the file"))


def corpus_file(data: bytes) -> None:
    """The first byte says whether the file is TOML."""
    ending = ".toml" if data and data[0] % 2 else ".json"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"corpus{ending}"
        path.write_bytes(data[1:])
        answered(lambda: read_corpus_file(path, "fuzz"))


def api_answer(data: bytes) -> None:
    for read in (read_answer, lambda body: read_api_answer(200, body)):
        try:
            read(data)
        except UltronError as error:
            json.dumps(problem_document(error, "id"), ensure_ascii=False).encode()


TARGETS = {
    "api_answer": Target(api_answer, is_json=True),
    "chat_request": Target(chat_request, is_json=True),
    "compactor_request": Target(compactor_request, is_json=True),
    "corpus_document": Target(corpus_document_, is_json=True),
    "corpus_file": Target(corpus_file),
    "ingest_request": Target(ingest_request, is_json=True),
    "retrieve_payload": Target(retrieve_payload, is_json=True),
    "retrieve_query": Target(retrieve_query),
}
