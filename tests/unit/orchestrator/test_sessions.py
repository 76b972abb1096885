"""What a stored session may make of the process that reads it back."""

from dataclasses import dataclass

import boto3
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from services.orchestrator.sessions import dynamodb_sessions


@dataclass
class Crafted:
    """What somebody who can write to the table might have a reader build."""

    text: str


def test_a_stored_session_builds_no_object() -> None:
    client = boto3.client(
        "dynamodb", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    permissive = JsonPlusSerializer(allowed_msgpack_modules=True)
    stored = permissive.dumps_typed({"turns": [Crafted("text")]})
    assert permissive.loads_typed(stored) == {"turns": [Crafted("text")]}
    read = dynamodb_sessions(client, "table", 7).serializer.serde.loads_typed(stored)
    assert read == {"turns": [{"text": "text"}]}
