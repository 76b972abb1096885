"""Chat sessions: the LangGraph checkpointer that keeps them in DynamoDB."""

from typing import TYPE_CHECKING, cast

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph_checkpoint_aws import DynamoDBSaver

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_dynamodb import DynamoDBClient

_SECONDS_PER_DAY = 86_400


class _SessionOfOneClient:
    """Stands where `DynamoDBSaver` wants a boto3 session, which it asks for one client only.

    So the saver uses the process's own client, with its timeouts, retries and endpoint.
    """

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def client(self, service_name: str, **_: object) -> "DynamoDBClient":
        if service_name != "dynamodb":
            raise ValueError(f"the session store has no client for {service_name}")
        return self._client


def dynamodb_sessions(client: "DynamoDBClient", table_name: str, ttl_days: int) -> DynamoDBSaver:
    """Make the checkpointer; every item it writes expires `ttl_days` after its write.

    The item keys are the library's own: `CHECKPOINT_<session>`, `CHUNK_<session>#…` and
    `WRITES_<session>#…` as PK.
    """
    saver = DynamoDBSaver(
        table_name,
        session=cast("boto3.Session", _SessionOfOneClient(client)),
        ttl_seconds=ttl_days * _SECONDS_PER_DAY,
    )
    # Sessions hold plain values only; so reading one back never needs to build an object.
    saver.serializer.serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    return saver
