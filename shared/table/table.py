"""The one DynamoDB table, in plain Python values."""

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from shared.batching import bounded_batches
from shared.errors import ConflictError, ContentionError, UltronError
from shared.table.typed_values import Item, deserialise, serialise, size_bytes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TRANSACTION_ATTEMPTS = 12
_LONGEST_WAIT_SECONDS = 1.0
_MOST_WRITES = 100
_LARGEST_ITEM_BYTES = 400_000

LARGEST_TRANSACTION_BYTES = 3_500_000
"""What one transaction may move: DynamoDB takes 4 MB, of items as they are before and after it."""

_READ_BATCH = 100
# Why a transaction was cancelled that may pass in a moment. What is throttled within a transaction
# is not tried again by the client, as other throttled calls are.
_PASSING_CODES = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)


class ItemTooLargeError(UltronError):
    """An item is larger than DynamoDB keeps; the message names it."""

    code = "ITEM_TOO_LARGE"


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
        """Return a put for `transact`.

        Raises:
            ItemTooLargeError: DynamoDB would not keep the item.
        """
        put: Any = {"TableName": self._name, "Item": serialise(item)}
        if (size := size_bytes(put["Item"])) > _LARGEST_ITEM_BYTES:
            raise ItemTooLargeError(
                f"item {item['SK']} of {item['PK']} has {size} bytes, and the table keeps "
                f"{_LARGEST_ITEM_BYTES} of one; what it holds has to be shortened"
            )
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

        They are made in transactions of a hundred, or fewer where those were too large, of which
        the failed writes are left out: a caller that dies in between has made some of them.
        """
        refused: set[int] = set()
        for left in bounded_batches(
            range(len(writes)),
            lambda position: size_bytes(writes[position]),
            most_items=_MOST_WRITES,
            most_bytes=LARGEST_TRANSACTION_BYTES,
        ):
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
    # Full jitter: many workers that end at once must not retry at the same time.
    longest = min(_LONGEST_WAIT_SECONDS, 0.02 * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311 - jitter, not cryptography


def _cancellation_codes(error: ClientError) -> list[str]:
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    code = error.response.get("Error", {}).get("Code", "")
    if reasons:
        return [reason.get("Code", "None") for reason in reasons]
    if code in {"TransactionConflictException", "TransactionInProgressException"}:
        return ["TransactionConflict"]
    return []
