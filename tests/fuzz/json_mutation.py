"""Changes values of a JSON document instead of its bytes, which mostly makes something else of it.

What reads JSON here is a library in C or Rust, into which the fuzzer cannot see: it would hardly
ever find out how a document is made.
"""

import json
import random
from typing import Any

_DEEPEST = 40
# Values at the edges of what schemas, numbers, texts and dates allow, and beyond.
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 10**30, -(10**400), 0.5, -0.0, 1e308,
    float("inf"), float("nan"), "", " ", "a", "0", "-1", "1.0", "1e999", "\0", "\n", "\ud800",
    "\U0001f600", "é" * 300, "e" + "\u0301" * 50, "٣", "2024-01-02", "0001-01-01T00:00:00+14:00",
    "9999-12-31", "9999-12-31T23:59:59-12:00", "24:00", "http://[", "http://a.example:99999/",
    "//\u2100", "../..", [], {}, [[]], {"": None}, ["a", 1, None], [0] * 50,
)  # fmt: skip


def mutated(data: bytes, seed: int) -> bytes | None:
    """Return the document with a few changes; None where the bytes are none.

    What stands before the last line stays, as do bytes before the first bracket.
    """
    start = data.rfind(b"\n") + 1
    opening = [at for at in (data.find(b"{", start), data.find(b"[", start)) if at >= 0]
    if not opening:
        return None
    start = min(opening)
    try:
        document = json.loads(data[start:])
    except (ValueError, RecursionError):
        return None
    draw = random.Random(seed)
    for _ in range(draw.choice((1, 1, 2, 4))):
        document = _changed(document, draw, 0)
    return data[:start] + json.dumps(document, ensure_ascii=draw.random() < 0.5).encode(
        errors="replace"
    )


def _changed(value: Any, draw: random.Random, depth: int) -> Any:
    if isinstance(value, dict | list) and value and depth < _DEEPEST and draw.randrange(6):
        return _within(value, draw, depth)
    match draw.randrange(6):
        case 0:
            return [value]
        case 1 if isinstance(value, str):
            return value + draw.choice([odd for odd in _ODD if isinstance(odd, str)])
        case 2 if isinstance(value, int):
            return value + draw.choice((-1, 1, 2**16, -(2**40)))
        case 3 if isinstance(value, str):
            return value[: draw.randrange(len(value) + 1)]
        case _:
            return draw.choice(_ODD)


def _within(value: Any, draw: random.Random, depth: int) -> Any:
    """Change, take out, double or rename one member."""
    items: list[tuple[Any, Any]] = list(
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    place = draw.randrange(len(items))
    name, member = items[place]
    match draw.randrange(8):
        case 0:
            del items[place]
        case 1:
            items.append((draw.choice(("", "a", "\ud800", "é", "id", "kind")), member))
        case _:
            items[place] = name, _changed(member, draw, depth + 1)
    return dict(items) if isinstance(value, dict) else [member for _, member in items]
