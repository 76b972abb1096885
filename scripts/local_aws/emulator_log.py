"""What a local AWS itself says went wrong: the last errors in its log."""

import os
import re
from pathlib import Path

_TAIL_BYTES = 1_000_000
_SHOWN_LINES = 5
_LINE_CHARACTERS = 300
_ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b|\w*(Error|Exception)\b|\bTraceback\b|=> 5\d\d\b")


def last_errors(log_path: Path | None) -> str:
    """The last lines of a log that tell of an error, or its last lines when none does.

    Indented below a line that names the log, after a line break, to stand behind a sentence; empty
    when there is no log.
    """
    text = "" if log_path is None else _tail(log_path)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    errors = [line for line in lines if _ERROR.search(line)]
    title = "the last errors" if errors else "no error, and last"
    shown = [f"  {line[:_LINE_CHARACTERS]}" for line in (errors or lines)[-_SHOWN_LINES:]]
    return "\n".join(["", f"The log of the local AWS ({log_path}) has {title}:", *shown])


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
