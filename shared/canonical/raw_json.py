"""Cuts the records of a JSON answer out of its text, so that they are kept exactly as received.

Parsing and writing again would change numbers (88.10 to 88.1) and the escapes of strings.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
# JSON strings cannot hold line breaks, so every one of them is insignificant.
_LINE_BREAKS = re.compile(r"[\r\n]+")


def load_json(text: str) -> object:
    """Parse strict JSON.

    Raises:
        ValueError: it is none; `NaN`, infinities, and nesting beyond the interpreter's bound count.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def array_element_texts(text: str, path: Sequence[str]) -> list[str]:
    """Return the text of each element of the array at `path`, each without line breaks.

    Raises:
        ValueError: the text is no JSON, or there is no array at the path.
    """
    load_json(text)
    position = _position(text, path)
    if text[position] != "[":
        raise ValueError(f"{'.'.join(path)} is no array")
    return _element_texts(text, position)


def value_texts(text: str, path: Sequence[str]) -> list[str]:
    """Return the texts of the elements of the array at `path`, or of the value that is there.

    Raises:
        ValueError: the text is no JSON, or there is nothing at the path.
    """
    load_json(text)
    position = _position(text, path)
    if text[position] == "[":
        return _element_texts(text, position)
    _, end = _DECODER.raw_decode(text, position)
    return [_one_line(text, position, end)]


def _position(text: str, path: Sequence[str]) -> int:
    position = _skip(text, 0)
    for depth, name in enumerate(path):
        positions = dict(_members(text, position))
        if name not in positions:
            raise ValueError(f"the JSON has no {'.'.join(path[: depth + 1])}")
        position = positions[name]
    return position


def _element_texts(text: str, position: int) -> list[str]:
    return [_one_line(text, start, end) for start, end in _elements(text, position)]


def _one_line(text: str, start: int, end: int) -> str:
    return _LINE_BREAKS.sub(" ", text[start:end])


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_finite)


def _skip(text: str, position: int) -> int:
    match = _WHITE_SPACE.match(text, position)
    return match.end() if match else position


def _members(text: str, position: int) -> Iterator[tuple[str, int]]:
    """Yield name and start of the value of each member; the last of equal names counts."""
    if text[position] != "{":
        return
    position = _skip(text, position + 1)
    while text[position] != "}":
        name, position = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)  # behind the colon
        yield name, position
        _, position = _DECODER.raw_decode(text, position)
        position = _behind_comma(text, position)


def _elements(text: str, position: int) -> Iterator[tuple[int, int]]:
    position = _skip(text, position + 1)
    while text[position] != "]":
        _, end = _DECODER.raw_decode(text, position)
        yield position, end
        position = _behind_comma(text, end)


def _behind_comma(text: str, position: int) -> int:
    position = _skip(text, position)
    return _skip(text, position + 1) if text[position] == "," else position
