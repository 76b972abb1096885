"""Takes the parts of an entity out of a record, as a corpus's mapping says."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from shared.canonical.links import web_addresses
from shared.canonical.records import Record, RecordRejectedError, readable_date
from shared.models.entity import Scalar
from shared.models.expressions import evaluate

MAXIMUM_TITLE_CHARACTERS = 1000
MAXIMUM_METADATA_CHARACTERS = 8000
"""Title and metadata go along with each chunk of an entity, of which there may be thousands."""

MAXIMUM_ADDRESSES = 20

# Longer than any number that a person wrote down, and few enough digits to be shown.
_LARGEST_NUMBER_BITS = 1000
# 1973 to 5138, in seconds and in milliseconds: neither can be taken for the other.
_SECONDS = (1e8, 1e11)
_MILLISECONDS = (1e11, 1e14)
_NOT_OF_A_TYPE = re.compile(r"[^a-z0-9]+")


class MappedRecord:
    """One record, read by expressions; `warnings` says what was odd, but could be borne.

    `field` is what the mapping calls the part, so that an error says where to look. All methods
    raise RecordRejectedError.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self.warnings: list[str] = []

    def identity(self, expression: str) -> str:
        """Return a text or a whole number, which may be written as 12.0, as text."""
        value = self._value("id", expression)
        if isinstance(value, str):
            value = value.strip()
        elif isinstance(value, float) and value.is_integer() and not _is_huge(value):
            value = int(value)
        elif isinstance(value, bool) or not isinstance(value, int) or _is_huge(value):
            raise _rejected("id", f"must be text or a whole number, not {_kind(value)}", expression)
        if value == "":
            raise _rejected("id", "must not be empty", expression)
        return str(value)

    def text(self, field: str, expression: str) -> str | None:
        """Return a text, None where there is none."""
        value = self._value(field, expression)
        if value is not None and not isinstance(value, str):
            raise _rejected(field, f"must be text, not {_kind(value)}", expression)
        return value

    def bounded_title(self, title: str) -> str:
        """Return the title in one line, cut where it is too long."""
        line = title.replace("\n", " ")
        if not line:
            self.warnings.append("the source has no title")
        if len(line) > MAXIMUM_TITLE_CHARACTERS:
            self.warnings.append(
                f"the title has {len(line):,} characters; the first {MAXIMUM_TITLE_CHARACTERS:,} "
                "are kept"
            )
        return line[:MAXIMUM_TITLE_CHARACTERS].rstrip()

    def entity_type(self, expression: str | None, otherwise: str) -> str:
        """Return the record's own type in the spelling of types: `Blog post` is `blog_post`."""
        value = None if expression is None else self.text("type", expression)
        return otherwise if value is None else _NOT_OF_A_TYPE.sub("_", value.lower()).strip("_")

    def moment(self, expression: str | None) -> str | None:
        """Return a date; a text that is none stays as it is, with a warning."""
        value = None if expression is None else self._value("modified", expression)
        if value is None:
            return None
        if isinstance(value, str):
            return readable_date(value, str(expression), self.warnings)
        seconds = _epoch_seconds(value)
        if seconds is None:
            self.warnings.append(f"{expression} is not a date, but {_kind(value)}")
            return None
        return datetime.fromtimestamp(seconds, UTC).isoformat()

    def addresses(self, expression: str | None) -> tuple[str, ...]:
        """Return the web addresses of a text or a list of texts."""
        value = None if expression is None else self._value("url", expression)
        given = [one for one in (value if isinstance(value, list) else [value]) if one is not None]
        texts = [one for one in given if isinstance(one, str)]
        if len(texts) < len(given):
            self.warnings.append(f"{expression} is neither text nor a list of texts")
        found = web_addresses(texts)
        if len(found) > MAXIMUM_ADDRESSES:
            self.warnings.append(
                f"of {len(found)} addresses the first {MAXIMUM_ADDRESSES} are kept"
            )
        return found[:MAXIMUM_ADDRESSES]

    def metadata(self, expressions: dict[str, str]) -> dict[str, Scalar | list[Scalar]]:
        """Return what filters can ask for; what they cannot is left out with a warning."""
        kept: dict[str, Scalar | list[Scalar]] = {}
        length = 0
        for name, expression in expressions.items():
            value = self._value(f"metadata.{name}", expression)
            if value is None:
                continue
            problem = _not_metadata(value)
            own_length = 0 if problem else len(str(value))
            if length + own_length > MAXIMUM_METADATA_CHARACTERS:
                problem = (
                    f"would make more than {MAXIMUM_METADATA_CHARACTERS:,} characters of metadata"
                )
            if problem:
                self.warnings.append(f"{name} {problem} and was left out")
                continue
            kept[name] = value
            length += own_length
        return kept

    def _value(self, field: str, expression: str) -> Any:
        try:
            return evaluate(expression, self._record)
        except ValueError as error:
            raise _rejected(field, f"does not fit: {error}", expression) from None


def _rejected(field: str, problem: str, expression: str) -> RecordRejectedError:
    return RecordRejectedError(f"the mapping's {field} {problem}", expression)


def _not_metadata(value: object) -> str | None:
    """Say why a value cannot be metadata; None when it can."""
    values = value if isinstance(value, list) else [value]
    if not all(one is None or isinstance(one, str | int | float) for one in values):
        return "is nested"
    if any(isinstance(one, int | float) and _is_huge(one) for one in values):
        return "is too large a number"
    return None


def _epoch_seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if _SECONDS[0] <= value < _SECONDS[1]:
        return float(value)
    if _MILLISECONDS[0] <= value < _MILLISECONDS[1]:
        return value / 1000
    return None


def _is_huge(value: float) -> bool:
    if isinstance(value, int):
        return value.bit_length() > _LARGEST_NUMBER_BITS
    return not math.isfinite(value)


def _kind(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number beyond all bounds" if _is_huge(value) else f"the number {value}"
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return names.get(type(value), "null")
