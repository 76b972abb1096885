"""The one DynamoDB table, in plain Python values."""

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from shared.errors import ConflictError, ContentionError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Item = dict[str, Any]

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()
_TRANSACTION_ATTEMPTS = 12
_LONGEST_WAIT_SECONDS = 1.0
_LARGEST_TRANSACTION = 100
_READ_BATCH = 100
# Why a transaction was cancelled that may pass in a moment. What is throttled within a transaction
# is not tried again by the client, as other throttled calls are.
_PASSING_CODES = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)


class ConditionFailedError(ConflictError):
    """A conditional write found the item in another state.

    `indexes` are the positions, in a transaction, of the writes whose conditions failed. `item` is
    what `update` found, None where there was no item or another method was called.
    """

    def __init__(
        self, message: str, indexes: Sequence[int] = (0,), item: Item | None = None
    ) -> None:
        super().__init__(message)
        self.indexes = tuple(indexes)
        self.item = item


class StateTable:
    """Reads and writes items by `PK` and `SK`; every read is consistent."""

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._name = name
        self._wait = wait

    def get(self, pk: str, sk: str) -> Item | None:
        """Return the item, or None."""
        response = self._client.get_item(
            TableName=self._name, Key=serialise({"PK": pk, "SK": sk}), ConsistentRead=True
        )
        return deserialise(response["Item"]) if "Item" in response else None

    def get_many(self, keys: Iterable[tuple[str, str]]) -> Iterator[Item]:
        """Yield those of the items that exist, in no order; each key is read once.

        Raises:
            ContentionError: the table kept answering for a part of them only.
        """
        unread = iter(dict.fromkeys(keys))
        while batch := list(islice(unread, _READ_BATCH)):
            yield from self._get_batch([serialise({"PK": pk, "SK": sk}) for pk, sk in batch])

    def _get_batch(self, keys: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
        asked: dict[str, Any] = {self._name: {"Keys": list(keys), "ConsistentRead": True}}
        for attempt in range(_TRANSACTION_ATTEMPTS):
            response = self._client.batch_get_item(RequestItems=asked)
            for item in response.get("Responses", {}).get(self._name, []):
                yield deserialise(item)
            asked = dict(response.get("UnprocessedKeys") or {})
            if not asked:
                return
            self._wait(_jitter(attempt))
        raise ContentionError(
            f"{self._name} left {len(asked[self._name]['Keys'])} of {len(keys)} reads undone in "
            f"each of {_TRANSACTION_ATTEMPTS} attempts; it is overloaded, try again later"
        )

    def query(self, pk: str, sk_prefix: str, *, last_first: bool = False) -> Iterator[Item]:
        """Yield the items of a partition whose sort key begins so, in its order or against it.

        What the caller does not take is not read, but for the rest of a page.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues=serialise({":pk": pk, ":sk": sk_prefix}),
            ConsistentRead=True,
            ScanIndexForward=not last_first,
        )
        for page in pages:
            for item in page["Items"]:
                yield deserialise(item)

    def put(
        self, item: Item, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> None:
        """Write an item.

        Raises:
            ConditionFailedError: `condition` did not hold.
        """
        self.transact([self.put_write(item, condition, values)])

    def update(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        condition: str,
        names: Mapping[str, str],
    ) -> Item:
        """Change an item at once, outside of any transaction; return what it then is.

        Raises:
            ConditionFailedError: `condition` did not hold; its `item` is what was found.
        """
        try:
            response = self._client.update_item(
                TableName=self._name,
                Key=serialise({"PK": pk, "SK": sk}),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames=dict(names),
                ExpressionAttributeValues=serialise(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            # The stubs do not know the item that comes with the error.
            found: Any = error.response.get("Item")
            item = deserialise(found) if found else None
            raise ConditionFailedError("a condition did not hold", item=item) from error
        return deserialise(response["Attributes"])

    def put_write(
        self, item: Item, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> "TransactWriteItemTypeDef":
        """Return a put for `transact`."""
        put: Any = {"TableName": self._name, "Item": serialise(item)}
        if condition is not None:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = serialise(values)
        return {"Put": put}

    def update_write(
        self,
        pk: str,
        sk: str,
        expression: str,
        values: Mapping[str, Any],
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> "TransactWriteItemTypeDef":
        """Return an update for `transact`."""
        update: Any = {
            "TableName": self._name,
            "Key": serialise({"PK": pk, "SK": sk}),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": serialise(values),
        }
        if condition is not None:
            update["ConditionExpression"] = condition
        if names:
            update["ExpressionAttributeNames"] = dict(names)
        return {"Update": update}

    def delete_write(
        self,
        pk: str,
        sk: str,
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> "TransactWriteItemTypeDef":
        """Return a delete for `transact`."""
        delete: Any = {"TableName": self._name, "Key": serialise({"PK": pk, "SK": sk})}
        if condition is not None:
            delete["ConditionExpression"] = condition
        if values:
            delete["ExpressionAttributeValues"] = serialise(values)
        return {"Delete": delete}

    def transact_each(self, writes: Sequence["TransactWriteItemTypeDef"]) -> set[int]:
        """Make every write whose condition holds; the positions of those whose condition did not.

        They are made in transactions of a hundred, of which the failed writes are left out: a
        caller that dies in between has made some of them.
        """
        refused: set[int] = set()
        for start in range(0, len(writes), _LARGEST_TRANSACTION):
            left = list(range(start, min(start + _LARGEST_TRANSACTION, len(writes))))
            while left:
                try:
                    self.transact([writes[position] for position in left])
                except ConditionFailedError as error:
                    failed = {left[index] for index in error.indexes}
                    refused |= failed
                    left = [position for position in left if position not in failed]
                else:
                    break
        return refused

    def transact(self, writes: Sequence["TransactWriteItemTypeDef"]) -> None:
        """Make all writes or none; what collides with others, or is throttled, is tried again.

        Raises:
            ConditionFailedError: a condition did not hold.
            ContentionError: other writers kept getting in between, or the table kept throttling.
        """
        # One token for all attempts: where an earlier one is still at work, or was made and its
        # answer lost, a later one finds that instead of the conditions that it no longer meets.
        token = uuid.uuid4().hex
        for attempt in range(_TRANSACTION_ATTEMPTS):
            try:
                self._client.transact_write_items(
                    TransactItems=list(writes), ClientRequestToken=token
                )
                return
            except ClientError as error:
                codes = _cancellation_codes(error)
                failed = [i for i, code in enumerate(codes) if code == "ConditionalCheckFailed"]
                if failed:
                    raise ConditionFailedError("a condition did not hold", failed) from error
                if _PASSING_CODES.isdisjoint(codes):
                    raise
            self._wait(_jitter(attempt))
        raise ContentionError(
            f"{len(writes)} writes to {self._name} kept colliding with others' transactions "
            "or being throttled; nothing was written, try again later"
        )


def _jitter(attempt: int) -> float:
    # Full jitter: many workers that end at once must not meet again at once.
    longest = min(_LONGEST_WAIT_SECONDS, 0.02 * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311 - jitter, not cryptography


def serialise(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn plain values into DynamoDB's typed form; None is left out of maps at the top."""
    return {key: _SERIALIZER.serialize(value) for key, value in values.items() if value is not None}


def deserialise(item: Mapping[str, Any]) -> Item:
    """Turn DynamoDB's typed form into plain values; whole numbers become int."""
    return {key: _plain(_DESERIALIZER.deserialize(value)) for key, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _cancellation_codes(error: ClientError) -> list[str]:
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    code = error.response.get("Error", {}).get("Code", "")
    if reasons:
        return [reason.get("Code", "None") for reason in reasons]
    if code in {"TransactionConflictException", "TransactionInProgressException"}:
        return ["TransactionConflict"]
    return []
