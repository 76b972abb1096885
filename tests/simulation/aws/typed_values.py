"""Values in DynamoDB's typed form: which are valid, how they are kept, and how large they are.

What is kept has one form: numbers are written in one way and sets are in order. So two values are
equal to DynamoDB if and only if they are equal to Python, and a simulation does not depend on the
order of Python's sets.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from botocore.exceptions import ParamValidationError

Value = dict[str, Any]
"""One value with its type, such as `{"S": "text"}`."""

Item = dict[str, Value]

LARGEST_ITEM_BYTES = 400 * 1024
SETS = frozenset({"SS", "NS", "BS"})
_PLAIN = frozenset({"S", "N", "B", "BOOL", "NULL"})

_ARITHMETIC = Context(prec=38)
_EXACT = Context(prec=400, Emin=-999_999, Emax=999_999)
_MOST_DIGITS = 38
_LARGEST_EXPONENT = 125
_SMALLEST_EXPONENT = -130
_PLAIN_INTEGER = re.compile(r"-?[1-9][0-9]{0,37}|0")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class RefusedRequestError(Exception):
    """DynamoDB answers such a request with a ValidationException of this message."""


def checked_value(value: Any) -> Value:
    """Return a copy of a value in the form in which it is kept.

    Raises:
        RefusedRequestError: DynamoDB would refuse the value.
        ParamValidationError: boto3 would not send it.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise ParamValidationError(report=f"no typed value: {value!r}")
    ((kind, content),) = value.items()
    check = _CHECKS.get(kind)
    if check is None:
        raise ParamValidationError(report=f"unknown type {kind!r} of a value")
    return {kind: check(content)}


def checked_item(item: Mapping[str, Any]) -> Item:
    """Return a copy of typed values by name, each in the form in which it is kept."""
    return {name: checked_value(value) for name, value in item.items()}


def copied_item(item: Mapping[str, Value]) -> Item:
    """Return a copy of an item that shares nothing with it that could be changed."""
    return {name: _copied(value) for name, value in item.items()}


def item_bytes(item: Mapping[str, Value]) -> int:
    """Return the size of an item in bytes, as DynamoDB counts it."""
    return sum(_text_bytes(name) + _value_bytes(value) for name, value in item.items())


def most_bytes(item: Mapping[str, Value] | None) -> int:
    """Return a bound in bytes that the size of an item does not reach, at little cost."""
    # No character that is shown takes more than four bytes, and all that counts is shown.
    return 0 if item is None else 4 * len(repr(item))


def is_too_large(item: Mapping[str, Value]) -> bool:
    """Whether DynamoDB would not keep an item because of its size."""
    return most_bytes(item) > LARGEST_ITEM_BYTES and item_bytes(item) > LARGEST_ITEM_BYTES


def number_text(number: Decimal) -> str:
    """Write the result of arithmetic as it is kept.

    Raises:
        RefusedRequestError: it is outside what DynamoDB keeps.
    """
    return _checked_number(str(number))


def added(left: str, right: str, *, is_subtraction: bool = False) -> str:
    """Add two numbers, or subtract the second, to the 38 digits that DynamoDB keeps."""
    second = Decimal(right)
    result = _ARITHMETIC.add(Decimal(left), second.copy_negate() if is_subtraction else second)
    return number_text(result)


def order_key(value: Value) -> Any:
    """Return what values of one type are ordered by; None for a type that has no order."""
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    return content if kind in ("S", "B") else None


def kind_of(value: Value) -> str:
    """Return the type of a value, such as `S`."""
    return next(iter(value))


def _checked_text(content: Any) -> str:
    if not isinstance(content, str):
        raise ParamValidationError(report=f"a string was expected, not {content!r}")
    return content


def _checked_number(content: Any) -> str:
    text = _checked_text(content)
    if _PLAIN_INTEGER.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text):
        raise RefusedRequestError(f"The parameter cannot be converted to a numeric value: {text}")
    number = _EXACT.create_decimal(text).normalize(_EXACT)
    if number == 0:
        return "0"
    if len(number.as_tuple().digits) > _MOST_DIGITS:
        raise RefusedRequestError("Attempting to store more than 38 significant digits in a Number")
    if number.adjusted() > _LARGEST_EXPONENT:
        raise RefusedRequestError(
            "Number overflow. Attempting to store a number with magnitude larger than supported"
            " range"
        )
    if number.adjusted() < _SMALLEST_EXPONENT:
        raise RefusedRequestError(
            "Number underflow. Attempting to store a number with magnitude smaller than supported"
            " range"
        )
    return format(number, "f")


def _checked_bytes(content: Any) -> bytes:
    if not isinstance(content, (bytes, bytearray)):
        raise ParamValidationError(report=f"bytes were expected, not {content!r}")
    return bytes(content)


def _checked_flag(content: Any) -> bool:
    if not isinstance(content, bool):
        raise ParamValidationError(report=f"a bool was expected, not {content!r}")
    return content


def _checked_null(content: Any) -> bool:
    if _checked_flag(content) is not True:
        raise RefusedRequestError(
            "One or more parameter values were invalid: Null attribute value types must have the"
            " value of true"
        )
    return True


def _set_check(check: Callable[[Any], Any], title: str) -> Callable[[Any], list[Any]]:
    def checked_set(content: Sequence[Any]) -> list[Any]:
        members = [check(member) for member in content]
        if not members:
            raise RefusedRequestError(
                f"One or more parameter values were invalid: An {title} set  may not be empty"
            )
        if len(set(members)) < len(members):
            raise RefusedRequestError(
                "One or more parameter values were invalid: Input collection"
                f" {list(content)} contains duplicates."
            )
        return sorted(members)

    return checked_set


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "S": _checked_text,
    "N": _checked_number,
    "B": _checked_bytes,
    "BOOL": _checked_flag,
    "NULL": _checked_null,
    "M": checked_item,
    "L": lambda content: [checked_value(value) for value in content],
    "SS": _set_check(_checked_text, "string"),
    "NS": _set_check(_checked_number, "number"),
    "BS": _set_check(_checked_bytes, "binary"),
}


def _copied(value: Value) -> Value:
    ((kind, content),) = value.items()
    if kind in _PLAIN:
        return {kind: content}
    if kind == "M":
        return {kind: copied_item(content)}
    return {kind: [_copied(member) for member in content] if kind == "L" else list(content)}


def _text_bytes(text: str) -> int:
    # "surrogatepass" counts a lone surrogate instead of failing on it.
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _number_bytes(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def _value_bytes(value: Value) -> int:
    ((kind, content),) = value.items()
    return _SIZES[kind](content)


_SIZES: dict[str, Callable[[Any], int]] = {
    "S": _text_bytes,
    "N": _number_bytes,
    "B": len,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    # Three bytes for a list or map, and one for each of its members.
    "M": lambda content: 3 + len(content) + item_bytes(content),
    "L": lambda content: 3 + sum(1 + _value_bytes(member) for member in content),
    "SS": lambda content: sum(map(_text_bytes, content)),
    "NS": lambda content: sum(map(_number_bytes, content)),
    "BS": lambda content: sum(map(len, content)),
}
