"""Short forms of calls of DynamoDB, for the tests of the client in memory."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.aws.dynamodb import MemoryDynamoDB
from tests.simulation.conftest import TABLE


def key(sort: str = "s", partition: str = "p") -> dict[str, Any]:
    return {"PK": {"S": partition}, "SK": {"S": sort}}


def put(client: MemoryDynamoDB, sort: str = "s", **attributes: Any) -> None:
    client.put_item(TableName=TABLE, Item={**key(sort), **attributes})


def read(client: MemoryDynamoDB, sort: str = "s") -> dict[str, Any] | None:
    item = client.get_item(TableName=TABLE, Key=key(sort)).get("Item")
    return None if item is None else {k: v for k, v in item.items() if k not in ("PK", "SK")}


def update(client: MemoryDynamoDB, expression: str, **request: Any) -> Any:
    return client.update_item(TableName=TABLE, Key=key(), UpdateExpression=expression, **request)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]
