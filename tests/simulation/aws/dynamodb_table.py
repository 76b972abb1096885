"""One DynamoDB table in memory, whose partition and sort key are strings."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.simulation.aws.expression_syntax import Names
from tests.simulation.aws.expressions import KeyCondition, KeyTerm
from tests.simulation.aws.typed_values import (
    Item,
    RefusedRequestError,
    checked_value,
    item_bytes,
)

Key = tuple[str, str]
"""The values of the partition key and of the sort key."""

_MOST_KEY_BYTES = {"partition": 2048, "sort": 1024}


class Table:
    """Items by their keys, those of a partition in the order of their sort keys."""

    def __init__(self, name: str, partition_key: str, sort_key: str, ttl_attribute: str) -> None:
        self.name = name
        self.key_names = (partition_key, sort_key)
        self.ttl_attribute = ttl_attribute
        self._partitions: dict[str, dict[str, Item]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._sizes_bytes: dict[Key, int] = {}

    def find(self, key: Key) -> Item | None:
        """Return the kept item, which the caller must not change."""
        return self._partitions.get(key[0], {}).get(key[1])

    def size_bytes(self, key: Key) -> int:
        """Return the size of a kept item, as DynamoDB counts it."""
        found = self._sizes_bytes.get(key)
        if found is None:
            found = self._sizes_bytes[key] = item_bytes(self._partitions[key[0]][key[1]])
        return found

    def write(self, key: Key, item: Item | None) -> None:
        """Keep an item, or delete it where it is None."""
        self._sizes_bytes.pop(key, None)
        partition = self._partitions.setdefault(key[0], {})
        ordered = self._sorted.setdefault(key[0], [])
        if item is None:
            if partition.pop(key[1], None) is not None:
                del ordered[bisect_left(ordered, key[1])]
            return
        if key[1] not in partition:
            # The order of code points is also that of UTF-8 bytes, by which DynamoDB sorts.
            insort(ordered, key[1])
        partition[key[1]] = item

    def items(self) -> Iterator[Item]:
        """Yield all kept items, by their keys."""
        for partition in sorted(self._partitions):
            for sort in self._sorted[partition]:
                yield self._partitions[partition][sort]

    def key_of(self, given: Mapping[str, Any]) -> Key:
        """Read a key that consists of the two key attributes and nothing else.

        Raises:
            RefusedRequestError: it is none.
        """
        if given.keys() != set(self.key_names):
            raise RefusedRequestError("The provided key element does not match the schema")
        return self.key_in(given, "The provided key element does not match the schema")

    def key_in(self, item: Mapping[str, Any], mismatch: str | None = None) -> Key:
        """Read the key of an item; `mismatch` is the message where it has the wrong type.

        Raises:
            RefusedRequestError: it has none.
        """
        partition, sort = (self._key_part(item, name, mismatch) for name in self.key_names)
        for kind, part in (("partition", partition), ("sort", sort)):
            if len(part) * 4 <= _MOST_KEY_BYTES[kind]:
                continue  # no character takes more than four bytes
            if len(part.encode(errors="surrogatepass")) > _MOST_KEY_BYTES[kind]:
                raise RefusedRequestError(
                    "One or more parameter values were invalid: Size of the key has exceeded the"
                    f" maximum size limit of {_MOST_KEY_BYTES[kind]} bytes"
                )
        return partition, sort

    def _key_part(self, item: Mapping[str, Any], name: str, mismatch: str | None) -> str:
        if name not in item:
            raise RefusedRequestError(
                f"One or more parameter values were invalid: Missing the key {name} in the item"
            )
        ((kind, content),) = checked_value(item[name]).items()
        if kind != "S":
            raise RefusedRequestError(
                mismatch
                or f"One or more parameter values were invalid: Type mismatch for key {name}"
                f" expected: S actual: {kind}"
            )
        if not content:
            raise RefusedRequestError(
                "One or more parameter values are not valid. The AttributeValue for a key"
                f" attribute cannot contain an empty string value. Key: {name}"
            )
        return str(content)

    def key_attributes(self, key: Key) -> Item:
        """Return a key in typed form."""
        return {name: {"S": part} for name, part in zip(self.key_names, key, strict=True)}

    def select(self, condition: KeyCondition, names: Names, values: Item) -> tuple[str, list[str]]:
        """Return the partition that a key condition names, and the sort keys that it selects.

        Raises:
            RefusedRequestError: it names no partition, or other attributes.
        """
        terms = {names.get(term.name, term.name): term for term in condition.terms}
        partition = terms.pop(self.key_names[0], None)
        if partition is None:
            raise RefusedRequestError(
                f"Query condition missed key schema element: {self.key_names[0]}"
            )
        if partition.operator != "=" or len(terms) + 1 < len(condition.terms):
            raise RefusedRequestError("Query key condition not supported")
        sort = terms.pop(self.key_names[1], None)
        if terms:
            raise RefusedRequestError(
                f"Query condition missed key schema element: {self.key_names[1]}"
            )
        partition_value = _key_value(partition.values[0], values)
        ordered = self._sorted.get(partition_value, [])
        return partition_value, ordered if sort is None else _selected(ordered, sort, values)


def _key_value(value_name: str, values: Item) -> str:
    value = values[value_name]
    if "S" not in value:
        raise RefusedRequestError(
            "One or more parameter values were invalid: Condition parameter type does not match"
            " schema type"
        )
    return str(value["S"])


def _selected(ordered: Sequence[str], term: KeyTerm, values: Item) -> list[str]:
    given = [_key_value(name, values) for name in term.values]
    low, high = 0, len(ordered)
    if term.operator in ("=", ">=", "BETWEEN", "begins_with"):
        low = bisect_left(ordered, given[0])
    elif term.operator == ">":
        low = bisect_right(ordered, given[0])
    if term.operator in ("=", "<=", "BETWEEN"):
        high = bisect_right(ordered, given[-1])
    elif term.operator == "<":
        high = bisect_left(ordered, given[0])
    elif term.operator == "begins_with":
        high = bisect_left(ordered, True, lo=low, key=lambda sort: not sort.startswith(given[0]))
    if term.operator == "BETWEEN" and given[0] > given[1]:
        raise RefusedRequestError(
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be"
            " greater than or equal to lower bound"
        )
    return list(ordered[low:high])
