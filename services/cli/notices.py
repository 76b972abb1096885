"""What the project's own code logs while a command runs, as lines for a person."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from shared.observability import logger


class _NoticeFormatter(logging.Formatter):
    """`warning: <message>: <reason>`; functions log the same as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        reason = getattr(record, "reason", None)
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        return f"{line}: {reason}" if reason else line


@contextmanager
def notices_on(stream: TextIO) -> Iterator[None]:
    """Send warnings to `stream`, so that what a command prints is its answer alone."""
    with ExitStack() as former:
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler):
                former.callback(handler.setStream, handler.stream)
                former.callback(handler.setFormatter, handler.formatter)
                former.callback(handler.setLevel, handler.level)
                handler.setStream(stream)
                handler.setFormatter(_NoticeFormatter())
                handler.setLevel(logging.WARNING)
        yield
