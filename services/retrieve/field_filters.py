"""Conditions on metadata fields: `filter.<field>=…`, `filter.<field>.min=…`, `….max=…`."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from pydantic import model_validator

from shared.errors import InvalidInputError, TextTooLongError
from shared.index.catalog.filters import FieldFilter, parse_number
from shared.models.base import Contract

MAXIMUM_FIELDS = 10
MAXIMUM_VALUES = 20
MAXIMUM_CHARACTERS = 400
BOUNDS = ("min", "max")

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_SHOWN_FIELDS = 30


class FieldCondition(Contract):
    """One of several values, or a range whose ends belong to it: numbers, or texts in order."""

    one_of: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        has_range = self.minimum is not None or self.maximum is not None
        if bool(self.one_of) == has_range:
            raise ValueError("give either values or a range")
        return self

    def filter(self, field: str) -> FieldFilter:
        """The same for the index."""
        return FieldFilter(field, self.one_of, self.minimum, self.maximum)

    def given(self) -> list[str] | dict[str, str]:
        """The condition as the response repeats it."""
        bounds = {"min": self.minimum, "max": self.maximum}
        return list(self.one_of) or {name: text for name, text in bounds.items() if text}


def is_field(name: str) -> bool:
    """Whether a metadata field may be called that."""
    return _FIELD.fullmatch(name) is not None


def split_parameter(name: str) -> tuple[str, str | None] | None:
    """Read `<field>`, `<field>.min` or `<field>.max`; None for anything else."""
    field, dot, bound = name.partition(".")
    if not is_field(field) or (dot and bound not in BOUNDS):
        return None
    return field, bound or None


def read_condition(value: Any, name: str) -> FieldCondition:
    """Read a value, a list of values, or `{"min": …, "max": …}`; errors begin with `name`.

    Raises:
        InvalidInputError: it is none of these, or has too many values.
        TextTooLongError: a value is too long.
    """
    if isinstance(value, Mapping):
        return _range(value, name)
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not 1 <= len(values) <= MAXIMUM_VALUES:
        raise InvalidInputError(f"{name}: needs 1 to {MAXIMUM_VALUES} values")
    return FieldCondition(one_of=tuple(_text(one, name) for one in values))


def require_few(fields: Iterable[str], prefix: str) -> None:
    """Refuse conditions on too many fields."""
    if len(list(fields)) > MAXIMUM_FIELDS:
        raise InvalidInputError(
            f"{prefix}<field>: at most {MAXIMUM_FIELDS} fields may be given conditions"
        )


def require_known(conditions: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a condition on a field that no shard of the index has.

    Raises:
        InvalidInputError: names it, and the fields that there are.
    """
    names = sorted(known)
    for field in conditions:
        if field not in names:
            shown = ", ".join(names[:_SHOWN_FIELDS]) or "none"
            more = f" and {len(names) - _SHOWN_FIELDS} more" if len(names) > _SHOWN_FIELDS else ""
            raise InvalidInputError(
                f"filter.{field}: the index has no field {field}; it has {shown}{more}"
            )


def _range(value: Mapping[str, Any], name: str) -> FieldCondition:
    given = {bound: one for bound, one in value.items() if one is not None}
    if not given or not given.keys() <= set(BOUNDS):
        raise InvalidInputError(f"{name}: a range has min, max or both, and nothing else")
    low, high = (
        _text(given[bound], f"{name}.{bound}") if bound in given else None for bound in BOUNDS
    )
    if low is not None and high is not None:
        _require_order(low, high, name)
    return FieldCondition(minimum=low, maximum=high)


def _require_order(low: str, high: str, name: str) -> None:
    numbers = parse_number(low), parse_number(high)
    if (numbers[0] is None) != (numbers[1] is None):
        raise InvalidInputError(f"{name}: min and max must be two numbers or two texts")
    if numbers[0] is not None and numbers[1] is not None:
        is_upside_down = numbers[0] > numbers[1]
    else:
        is_upside_down = low > high
    if is_upside_down:
        raise InvalidInputError(f"{name}: min must not be above max")


def _text(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInputError(f"{name}: must be a finite number")
    if isinstance(value, int | float):
        value = repr(value) if isinstance(value, float) else _digits(value, name)
    if not isinstance(value, str):
        raise InvalidInputError(f"{name}: must be a text, a number or a boolean")
    text = value.strip()
    if not text:
        raise InvalidInputError(f"{name}: must not be blank")
    if len(text) > MAXIMUM_CHARACTERS:
        raise TextTooLongError(f"{name}: at most {MAXIMUM_CHARACTERS} characters are accepted")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{name}: holds a lone surrogate; send valid Unicode") from None
    return text


def _digits(value: int, name: str) -> str:
    # More digits than Python prints are more than any field holds.
    try:
        return str(value)
    except ValueError:
        raise TextTooLongError(
            f"{name}: at most {MAXIMUM_CHARACTERS} characters are accepted"
        ) from None
