"""How an address is written in one way, and what an address says of itself.

Which entries of a sitemap are followed is decided in `source.py`.
"""

import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit, urlunsplit

from shared.errors import SourceError
from shared.text.marks import bounded_marks

_LONGEST = 2000
_LONGEST_HOST = 255
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What may stand in a path or a query, the sign of an escape included.
_KEPT = "/%:@!$&'()*+,;=~-._?[]"
# For pages alone: a sitemap may be compressed (documents.py).
_NO_PAGE = re.compile(
    r"\.(7z|apk|avi|avif|bin|bmp|bz2|css|csv|deb|dmg|docx?|eot|epub|exe|gif|gz|ico|iso|jar|jpe?g|js"
    r"|json|m4a|mkv|mobi|mov|mp3|mp4|mpe?g|msi|od[pst]|ogg|ogv|otf|pdf|png|pptx?|ps|rar|rpm|rtf|svg"
    r"|tar|tgz|tiff?|ttf|wasm|wav|webm|webp|wmv|woff2?|xlsx?|xz|zip)",
    re.IGNORECASE,
)


def normal_address(text: str) -> str | None:
    """Return a web address in its one form, without fragment; None where it is none to be read."""
    try:
        parts = urlsplit(bounded_marks(text.strip()))
        host, port, scheme = parts.hostname or "", parts.port, parts.scheme.lower()
        if len(host) > _LONGEST_HOST:
            return None
        host = host if ":" in host else host.encode("idna").decode()
    except ValueError:  # which errors of IDNA are, too
        return None
    if scheme not in _DEFAULT_PORTS or not host or parts.username or parts.password:
        return None
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        place = f"{place}:{port}"
    try:
        path, query = quote(parts.path or "/", safe=_KEPT), quote(parts.query, safe=_KEPT)
    except UnicodeEncodeError:
        return None
    address = urlunsplit((scheme, place, path, query, ""))
    return address if len(address) <= _LONGEST else None


def host_of(address: str) -> str:
    """Return the host of a normal address, with its port where that is not the usual one."""
    return urlsplit(address).netloc


def origin_of(address: str) -> str:
    """Return scheme and host of a normal address.

    Raises:
        SourceError: it is no address, though the page job has it.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        raise SourceError("a page of a sitemap corpus names what is no web address") from None
    return f"{parts.scheme}://{parts.netloc}"


def is_below(address: str, prefixes: Collection[str]) -> bool:
    """Whether an address is one of the prefixes or below one; without prefixes all are."""
    return not prefixes or any(
        address == prefix
        or (
            address.startswith(prefix)
            and (prefix.endswith(("/", "?", "=")) or address[len(prefix)] in "/?")
        )
        for prefix in prefixes
    )


def ending_of_no_page(address: str) -> str | None:
    """Return the ending by which an address says that it is a picture, an archive or the like."""
    _, dot, ending = urlsplit(address).path.rpartition("/")[2].rpartition(".")
    return f".{ending}" if dot and _NO_PAGE.fullmatch(f".{ending}") else None
