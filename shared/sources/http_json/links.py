"""Reads where an answer says that the next page is, without the credentials in it."""

import re
from collections.abc import Collection, Iterator
from urllib.parse import parse_qsl, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from shared.errors import SourceError
from shared.text.marks import bounded_marks
from shared.web.redirects import host_path, origin

LONGEST_ADDRESS = 4000
# Shorter credentials may stand in an address by chance.
_TELLING = 8
_SEPARATORS = re.compile(r"[\s,]*")
_TARGET = re.compile(r"<([^>]*)>")
_PARAMETER = re.compile(
    r'\s*;\s*(?:(?P<name>[^\s=;,"<>]+)(?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s;,"]*)))?)?'
)
_ESCAPED = re.compile(r"\\(.)")


def next_link(header: str) -> str | None:
    """Return the target of the first link of the relation `next` (RFC 8288), None without one.

    Raises:
        ValueError: the header cannot be read, so a next page might be overlooked.
    """
    for target, parameters in _links(header):
        relations = parameters.get("rel", "").lower().split()
        # With an anchor the link is about another document.
        if "next" in relations and "anchor" not in parameters:
            return target
    return None


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    position = _behind(_SEPARATORS, header, 0)
    while position < len(header):
        target = _TARGET.match(header, position)
        if target is None:
            raise ValueError("the header Link is malformed")
        position = target.end()
        parameters: dict[str, str] = {}
        while match := _PARAMETER.match(header, position):
            position = match.end()
            if match["name"] is not None:
                value = match["word"] or _ESCAPED.sub(r"\1", match["quoted"] or "")
                parameters.setdefault(match["name"].lower(), value)
        yield target[1], parameters
        following = _behind(_SEPARATORS, header, position)
        if following < len(header) and "," not in header[position:following]:
            raise ValueError("the header Link is malformed")
        position = following


def _behind(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def next_address(
    present: str, target: str, home: str, hidden_name: str | None, secrets: Collection[str]
) -> str:
    """Return the address of the next page, absolute and without credentials.

    `present` is where the link was found and `home` the address of the corpus, whose origin it
    must not leave. `hidden_name` is the query parameter of the credential.

    Raises:
        SourceError: it is no web address, too long, or of another origin.
    """
    try:
        parts = urlsplit(urljoin(present, bounded_marks(target.strip())))
        is_at_home = origin(urlunsplit(parts)) == origin(home)
    except ValueError:
        raise SourceError(
            f"{host_path(present)} names a next page that is no web address"
        ) from None
    pairs = [pair for pair in parts.query.split("&") if not _is_hidden(pair, hidden_name, secrets)]
    address = urlunsplit(parts._replace(query="&".join(pairs), fragment=""))
    if any(len(secret) >= _TELLING and secret in unquote_plus(address) for secret in secrets):
        raise SourceError(
            f"{origin(home)[1]} names a next page whose address holds the credential; such a "
            "source cannot be read"
        )
    if not is_at_home or parts.username is not None:
        raise SourceError(
            f"{host_path(present)} names a next page elsewhere, at {host_path(address)}; only "
            f"pages at {host_path(home).partition('/')[0]} are read, by the scheme of the corpus"
        )
    if len(address) > LONGEST_ADDRESS:
        raise SourceError(
            f"{host_path(present)} names a next page by more than {LONGEST_ADDRESS} characters"
        )
    return address


def _is_hidden(pair: str, hidden_name: str | None, secrets: Collection[str]) -> bool:
    name, _, value = pair.partition("=")
    return unquote_plus(name) == hidden_name or unquote_plus(value) in secrets


def comparable(address: str) -> str:
    """Return an address in the one spelling that tells whether two are the same page."""
    parts = urlsplit(address)
    scheme, host, port = origin(address)
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True))
    return f"{scheme}://{host}:{port}{parts.path or '/'}?{query}"
