"""Reads of a DynamoDB table: projections, batches of keys, and pages of queries."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.aws.calls import check_parameters
from tests.simulation.aws.dynamodb_table import Table
from tests.simulation.aws.dynamodb_writes import read_placeholders
from tests.simulation.aws.expressions import (
    Condition,
    compile_condition,
    compile_key_condition,
    compile_projection,
)
from tests.simulation.aws.typed_values import Item, RefusedRequestError, copied_item

READ_PARAMETERS = frozenset({"ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"})
"""What every read takes beside what it reads."""

QUERY_PARAMETERS = READ_PARAMETERS | {
    "ExpressionAttributeValues",
    "FilterExpression",
    "ScanIndexForward",
    "Limit",
    "ExclusiveStartKey",
}
"""What a query takes beside its table and its key condition."""

Project = Callable[[Item], Item]


def read_projection(request: Mapping[str, Any]) -> Project:
    """Return what takes the asked attributes from an item.

    Raises:
        RefusedRequestError: the projection is not valid.
    """
    text = request.get("ProjectionExpression")
    if text is None:
        read_placeholders(request)
        return _whole
    projection = compile_projection(text)
    names, _ = read_placeholders(request, projection.used)
    return lambda item: projection.apply(item, names)


def read_batch(table: Table, part: Mapping[str, Any]) -> list[tuple[Any, Item, int]]:
    """Return the items that exist of a part of a batch.

    Each is between its key, as it was asked for, and its size in bytes.

    Raises:
        RefusedRequestError: the part is not valid.
    """
    check_parameters("BatchGetItem", part, frozenset({"Keys"}), READ_PARAMETERS)
    project = read_projection(part)
    keys = [table.key_of(key) for key in part["Keys"]]
    if len(set(keys)) < len(keys):
        raise RefusedRequestError("Provided list of item keys contains duplicates")
    return [
        (asked, project(item), table.size_bytes(key))
        for asked, key in zip(part["Keys"], keys, strict=True)
        if (item := table.find(key)) is not None
    ]


def query_page(table: Table, request: Mapping[str, Any], page_bytes: int) -> dict[str, Any]:
    """Return a page of a query, of `page_bytes` at most but for an item that is larger alone.

    Raises:
        RefusedRequestError: the query is not valid.
    """
    key_condition = compile_key_condition(request["KeyConditionExpression"])
    condition = _filter(request)
    text = request.get("ProjectionExpression")
    projection = None if text is None else compile_projection(text)
    used = [part.used for part in (key_condition, condition, projection) if part is not None]
    names, values = read_placeholders(request, *used)
    partition, selected = table.select(key_condition, names, values)
    read, following = _read(table, partition, _left(table, selected, request), request, page_bytes)
    matching = [item for item in read if condition is None or condition.holds(item, names, values)]
    page: dict[str, Any] = {
        "Items": [
            copied_item(item if projection is None else projection.apply(item, names))
            for item in matching
        ],
        "Count": len(matching),
        "ScannedCount": len(read),
    }
    if following is not None:
        page["LastEvaluatedKey"] = table.key_attributes((partition, following))
    return page


def _whole(item: Item) -> Item:
    return item


def _filter(request: Mapping[str, Any]) -> Condition | None:
    text = request.get("FilterExpression")
    return None if text is None else compile_condition(text, "FilterExpression")


def _left(table: Table, selected: list[str], request: Mapping[str, Any]) -> list[str]:
    """Return the sort keys that are still to be read, in the order of the query."""
    is_forward = request.get("ScanIndexForward", True)
    ordered = selected if is_forward else selected[::-1]
    if "ExclusiveStartKey" not in request:
        return ordered
    _, start = table.key_of(request["ExclusiveStartKey"])
    return [sort for sort in ordered if (sort > start if is_forward else sort < start)]


def _read(
    table: Table, partition: str, left: list[str], request: Mapping[str, Any], page_bytes: int
) -> tuple[list[Item], str | None]:
    """Return the items of a page, and the sort key after which the next one begins."""
    limit = request.get("Limit")
    if limit is not None and limit < 1:
        raise RefusedRequestError("Member must have value greater than or equal to 1")
    read: list[Item] = []
    size_bytes = 0
    for position, sort in enumerate(left):
        item = table.find((partition, sort))
        if item is None:
            continue
        size_bytes += table.size_bytes((partition, sort))
        if read and size_bytes > page_bytes:
            return read, left[position - 1]
        read.append(item)
        # AWS names a next page also where the bound is met by the very last item.
        if len(read) == limit:
            return read, sort
    return read, None
