"""A retrieve function that follows a script, at the edge where the Lambda client stands."""

import io
import json
from collections.abc import Mapping
from typing import Any

ULTRON = {
    "id": "character:1-001",
    "score": 0.71,
    "snippet": "Hank Pym created Ultron in 1968. Ultron hates the Avengers.",
    "meta": {
        "entity": "character",
        "id": "1",
        "title": "Ultron",
        "urls": ["https://example.test/ultron"],
        "modified": "2024-01-31T00:00:00Z",
        "source_path": "raw/demo/x.jsonl.gz",
        "attribution": "Data from here.",
    },
}
PYM = {
    "id": "character:2-001",
    "score": 0.6,
    "snippet": "Hank Pym is a biochemist. He is married to Janet van Dyne.",
    "meta": {
        "entity": "character",
        "id": "2",
        "title": "Hank Pym",
        "urls": [],
        "modified": None,
        "source_path": "raw/demo/x.jsonl.gz",
        "attribution": "Data from there.",
    },
}


class ScriptedLambda:
    """Answers every invocation with `answer`, and keeps what it was asked."""

    def __init__(self, answer: Any = None, function_error: str | None = None) -> None:
        self.answer = {"results": [ULTRON, PYM]} if answer is None else answer
        self.function_error = function_error
        self.searches: list[dict[str, Any]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803
        """Take a payload as boto3's Lambda client does."""
        self.searches.append(json.loads(Payload)["retrieve"])
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        response: dict[str, Any] = {"StatusCode": 200, "Payload": io.BytesIO(body)}
        return response | ({"FunctionError": self.function_error} if self.function_error else {})
