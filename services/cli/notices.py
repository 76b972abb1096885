"""What the project's own code logs while a command runs, as lines for a person."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.output import write_notice
from shared.platform.observability import library_logger, logger


class _NoticeHandler(logging.Handler):
    """Writes `warning: <message>: <reason>`; functions log the same as JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        reason = getattr(record, "reason", None)
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        write_notice(f"{line}: {reason}" if reason else line)


@contextmanager
def notices_shown() -> Iterator[None]:
    """Show warnings to the person, so that what a command prints is its answer alone."""
    own = logger.handlers, library_logger.handlers
    former = [list(handlers) for handlers in own]
    for handlers in own:
        handlers[:] = [_NoticeHandler(logging.WARNING)]
    try:
        yield
    finally:
        for handlers, before in zip(own, former, strict=True):
            handlers[:] = before
