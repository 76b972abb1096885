"""JSON that this code did not write: from a client, a source, another function or a person."""

import json
from typing import Any


def parse_foreign_json(data: str | bytes, *, strict: bool = True) -> Any:
    """Parse JSON as `json.loads` does.

    Args:
        data: the JSON; bytes are UTF-8, UTF-16 or UTF-32.
        strict: whether control characters within texts are refused.

    Raises:
        ValueError: it is none, or is nested deeper than the interpreter can follow.
    """
    try:
        return json.loads(data, strict=strict)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
