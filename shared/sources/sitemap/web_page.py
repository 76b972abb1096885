"""The raw line of a web page: what the site answered, its text decoded as a browser would."""

import json
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from w3lib.encoding import (
    html_body_declared_encoding,
    html_to_unicode,
    http_content_type_encoding,
)

from shared.web.http_get import HttpResponse

MAXIMUM_HTML_BYTES = 5 * 1024 * 1024
_TYPES = frozenset({"text/html", "application/xhtml+xml"})


def page_line(address: str, last_modified: str | None, response: HttpResponse) -> str:
    """Return the line of an answer; one that is no web page has a problem in place of HTML.

    `last_modified` is what the sitemap says; without it the answer's own header counts.
    """
    content_type = response.headers.get("content-type", "")
    record: dict[str, object] = {
        "url": address,
        "status": response.status,
        "last_modified": last_modified or _header_date(response.headers),
        "content_type": content_type[:200],
    }
    if response.url and response.url != address:
        record["found_at"] = response.url
    if "x-robots-tag" in response.headers:
        record["robots"] = response.headers["x-robots-tag"][:1000]
    problem = _problem(response.body, content_type)
    if problem is not None:
        return json.dumps({**record, "problem": problem}, ensure_ascii=False)
    record["html"] = _decoded(response.body, content_type)
    return json.dumps(record, ensure_ascii=False)


def problem_line(address: str, problem: str) -> str:
    """Return the line of an address that was not read."""
    return json.dumps({"url": address, "problem": problem}, ensure_ascii=False)


def _problem(body: bytes, content_type: str) -> str | None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _TYPES and (kind or body.lstrip()[:1] != b"<"):
        return f"not a web page: its type is {kind[:80] or 'not given'}"
    if len(body) > MAXIMUM_HTML_BYTES:
        return f"the page has {len(body):,} bytes, over the limit of {MAXIMUM_HTML_BYTES:,}"
    return None


def _decoded(body: bytes, content_type: str) -> str:
    declared = http_content_type_encoding(content_type) or html_body_declared_encoding(body)
    if declared == "punycode":  # that is for names of hosts: a page would take it an hour
        content_type = "charset=utf-8"
    try:
        _, text = html_to_unicode(content_type, body)
    except (LookupError, ValueError):  # a codec of Python that is no character encoding
        text = body.decode("utf-8", "replace")
    # Odd codecs make halves of surrogate pairs, which are no text.
    return text.encode("utf-8", "replace").decode()


def _header_date(headers: Mapping[str, str]) -> str | None:
    try:
        moment = parsedate_to_datetime(headers.get("last-modified", ""))
    except (ValueError, OverflowError):  # the latter for numbers that no date holds
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
