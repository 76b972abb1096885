"""Items of the table in plain Python values, and in DynamoDB's typed form."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

Item = dict[str, Any]

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


def size_bytes(values: Any) -> int:
    """How large something in DynamoDB's typed form is, as DynamoDB counts it or a little more."""
    if isinstance(values, str):
        return len(values.encode())
    if isinstance(values, Mapping):
        return 3 + sum(size_bytes(name) + size_bytes(value) for name, value in values.items())
    if isinstance(values, (list, set, tuple)):
        return 3 + sum(1 + size_bytes(value) for value in values)
    return len(values) if isinstance(values, (bytes, bytearray)) else 1


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
