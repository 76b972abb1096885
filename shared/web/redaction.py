"""Keeps credentials out of logs, errors and objects."""

import logging
import re
from collections.abc import Iterable

_CREDENTIAL = re.compile(
    r"(?i)\b(apikey|api_key|hash|ts|token|key|secret|signature|password)=[^&\s\"'<>]*"
)
# Which parameter of a query is a credential is the user's choice: a log line shows none.
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_HIDDEN = "***"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without credentials of query strings and without the given secrets."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _CREDENTIAL.sub(rf"\1={_HIDDEN}", _USER_INFO.sub(f"{_HIDDEN}@", text))


class RedactingFilter(logging.Filter):
    """Redacts log records of libraries that write whole request lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message by its redacted form; never drops a record."""
        shown = _QUERY.sub(f"?{_HIDDEN}", record.getMessage())
        record.msg, record.args = redact(shown), ()
        return True


def protect_urllib3_logs() -> None:
    """Redact what urllib3 logs at debug level: it quotes the signed query string."""
    for name in ("urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        if not any(isinstance(present, RedactingFilter) for present in logger.filters):
            logger.addFilter(RedactingFilter())
