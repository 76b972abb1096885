"""The readable part of a web page, as trafilatura finds it, and what its head says of it."""

import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from shared.canonical.records import RecordLeftOutError, RecordRejectedError
from shared.sources.sitemap import ROBOT_NAME
from shared.sources.sitemap.web_bounds import bound
from shared.text.html import collapse

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# Both bound the seconds that one page can cost.
MAXIMUM_HTML_CHARACTERS = 5 * 1024 * 1024
MAXIMUM_ELEMENTS = 30_000
_REFUSALS = frozenset({"noindex", "none"})
_VALUED = frozenset({"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"})
# An agent's name before its directives, unlike the hours of a date.
_AGENT = re.compile(r"[a-z0-9_*-]+")
# Only dates that are marked as such, of publication, and the same ones whatever day it is.
_DATES = {"original_date": True, "extensive_search": False, "max_date": "2199-12-31"}
# They log each odd page with its whole address; the rejects record it without.
_TALKATIVE = ("trafilatura", "htmldate", "courlan")


@dataclass(frozen=True, slots=True)
class _Head:
    """What a page says of itself; `is_refused`: that robots, or ours, are not to index it."""

    title: str
    canonical: str | None
    language: str | None
    modified: str | None
    is_refused: bool

    @staticmethod
    def of(tree: "HtmlElement", address: str) -> "_Head":
        """Read it off a parsed page."""
        link = next(
            (link for link in tree.iter("link") if "canonical" in _words(link.get("rel"))), None
        )
        return _Head(
            title=_line(str(tree.findtext(".//title") or "")),
            canonical=None if link is None else _joined(address, str(link.get("href") or "")),
            language=str(tree.get("lang") or "").strip()[:35] or None,
            modified=next(
                (
                    str(meta.get("content") or "").strip() or None
                    for meta in tree.iter("meta")
                    if "article:modified_time" in str(meta.get("property") or "").lower().split()
                ),
                None,
            ),
            is_refused=any(
                _words(meta.get("name")) & {"robots", ROBOT_NAME}
                and _words(meta.get("content")) & _REFUSALS
                for meta in tree.iter("meta")
            ),
        )


@dataclass(frozen=True, slots=True)
class WebText:
    """Texts are empty, and values None, where the page has none."""

    head: _Head
    text: str
    published: str | None
    author: str | None


def read_web_page(html: str, address: str) -> WebText:
    """Return what a page says.

    Raises:
        RecordRejectedError: it cannot be parsed.
        RecordLeftOutError: it is too large.
    """
    if len(html) > MAXIMUM_HTML_CHARACTERS:
        raise RecordLeftOutError(
            f"the page has more than {MAXIMUM_HTML_CHARACTERS:,} characters", "html"
        )
    try:
        return _read(html, address)
    except (RecordRejectedError, ImportError, MemoryError):
        raise  # the latter two are not the page's doing
    except Exception as error:
        # A failure of the libraries on one page, even an assertion in them, must not fail the
        # other pages of the job.
        raise RecordRejectedError(
            f"the page cannot be read: {type(error).__name__}", "html"
        ) from error


def _read(html: str, address: str) -> WebText:
    # Imported where it is needed: it costs every other corpus a fifth of a second.
    from trafilatura import bare_extraction
    from trafilatura.utils import load_html

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    tree = load_html(html) if html.strip() else None
    if tree is None:
        raise RecordRejectedError("the page cannot be parsed as HTML", "html")
    if sum(1 for _ in tree.iter()) > MAXIMUM_ELEMENTS:
        raise RecordLeftOutError(f"the page has more than {MAXIMUM_ELEMENTS:,} elements", "html")
    head = _Head.of(tree, address)
    bound(tree)
    found = bare_extraction(
        tree,
        url=address,
        include_comments=False,
        with_metadata=True,
        date_extraction_params=dict(_DATES),
    )
    if found is None or isinstance(found, dict):
        return WebText(head, "", None, None)
    # A page's heading, where trafilatura finds one, is without the name of the site.
    named = replace(head, title=_line(found.title or head.title))
    return WebText(named, collapse(found.text or ""), found.date, found.author)


def is_refused(directives: str) -> bool:
    """Whether an `X-Robots-Tag` header asks us, or every robot, not to index a page."""
    agent: str | None = None
    for part in directives.lower().split(","):
        name, colon, value = part.partition(":")
        if colon and name.strip() not in _VALUED and _AGENT.fullmatch(name.strip()):
            agent, part = name.strip(), value
        if agent in {None, "*", ROBOT_NAME} and part.strip() in _REFUSALS:
            return True
    return False


def _words(text: object) -> set[str]:
    return set(re.findall(r"[\w-]+", str(text or "").lower()))


def _joined(address: str, reference: str) -> str | None:
    try:
        return urljoin(address, reference.strip()) if reference.strip() else None
    except ValueError:
        return None


def _line(text: str) -> str:
    return collapse(text).replace("\n", " ")
