"""Web addresses that may be shown."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from shared.text.marks import bounded_marks

# Marvel adds its caller's public key to links as `utm_source`; none of these changes the page.
_NOT_OF_THE_PAGE = re.compile(r"utm_[a-z]+|apikey|hash|ts", re.IGNORECASE)


def web_addresses(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return each http(s) address once, without tracking parameters and credentials."""
    kept = (_clean(address.strip()) for address in addresses)
    return tuple(dict.fromkeys(address for address in kept if address))


def _clean(address: str) -> str | None:
    try:
        parts = urlsplit(bounded_marks(address))
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        return None
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _NOT_OF_THE_PAGE.fullmatch(name)]
    # An untouched query stays as it was written.
    query = parts.query if len(kept) == len(pairs) else urlencode(kept)
    return urlunsplit(parts._replace(query=query))
