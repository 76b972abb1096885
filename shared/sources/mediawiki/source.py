"""The mediawiki source: a chain of listing pages, each with the content pages it found.

A listing page has no records; it lists the content pages and the next listing page.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import BudgetExhaustedError, PostponedError, SourceError
from shared.foreign_json import parse_foreign_json
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import MediaWikiSource
from shared.sources.base import (
    CheckpointReader,
    EndpointPlan,
    FetchedPage,
    Plan,
    PlannedPage,
    query_hash,
)
from shared.sources.mediawiki.api import WikiApi
from shared.sources.mediawiki.pages import CollectedPages, is_without_content
from shared.web.client import SourceClient
from shared.web.retry import HAND_ON_AFTER_SECONDS, Timing

LISTING = "listing"
PAGES = "pages"
# Clocks differ, and a wiki notes some changes late.
_OVERLAP = timedelta(minutes=5)
_LISTED_PAGES = "500"
_MOST_ANSWERS = 500
# What derive can read in its time, on the part of a processor that it has.
_MAXIMUM_CHARACTERS = 12 * 1024 * 1024
_IDENTIFIERS = re.compile(r"[0-9]{1,20}(\|[0-9]{1,20}){0,49}", re.ASCII)


class MediaWiki:
    """Implements `Source` over `api.php`."""

    def __init__(self, settings: MediaWikiSource, client: SourceClient, timing: Timing) -> None:
        self._settings = settings
        self._api = WikiApi(client, settings.api_url, settings.maximum_lag_seconds)
        self._timing = timing

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Plan the first listing page; an incremental run asks for what changed since the last."""
        since = checkpoints(LISTING).last_modified if mode == "incremental" else None
        watermark = (self._timing.now() - _OVERLAP).isoformat(timespec="seconds")
        first = _planned(LISTING, {} if since is None else {"since": since})
        checkpoint = EndpointCheckpoint(last_modified=watermark)
        return Plan((EndpointPlan(LISTING, (first,), checkpoint),))

    def fetch(
        self,
        endpoint: str,
        query: Mapping[str, str],
        etag: str | None,  # noqa: ARG002 - none here
    ) -> FetchedPage:
        """Read one listing page, or the pages that one found."""
        if endpoint == LISTING:
            return self._list(query)
        if endpoint == PAGES:
            return self._read(query)
        raise SourceError(f"a mediawiki corpus has no endpoint {endpoint!r}")

    def _list(self, query: Mapping[str, str]) -> FetchedPage:
        since = _since(query)
        answer = self._api.ask({**self._listing_question(), **_continuation(query)})
        found = [
            str(page["pageid"])
            for page in answer.pages
            if "pageid" in page and not is_without_content(page) and _is_touched(page, since)
        ]
        size = self._settings.titles_at_once
        planned = [
            _planned(PAGES, {"pageids": "|".join(found[start : start + size])})
            for start in range(0, len(found), size)
        ]
        if answer.continuation:
            following = json.dumps(answer.continuation, sort_keys=True)
            planned.append(_planned(LISTING, {**query, "continue": following}))
        return FetchedPage(next_pages=tuple(planned))

    def _listing_question(self) -> dict[str, str]:
        settings = self._settings
        namespace = str(settings.namespace)
        if settings.category is None:
            return {
                "prop": "info",
                "generator": "allpages",
                "gapnamespace": namespace,
                "gapfilterredir": "nonredirects",
                "gaplimit": _LISTED_PAGES,
            }
        has_prefix = settings.category.lower().startswith("category:")
        return {
            "prop": "info",
            "generator": "categorymembers",
            "gcmtitle": settings.category if has_prefix else f"Category:{settings.category}",
            "gcmnamespace": namespace,
            "gcmlimit": _LISTED_PAGES,
        }

    def _read(self, query: Mapping[str, str]) -> FetchedPage:
        wanted = query.get("pageids", "")
        if not _IDENTIFIERS.fullmatch(wanted):
            raise SourceError("a page of a mediawiki corpus names no pageids")
        question = {**self._content_question(), "pageids": wanted}
        started = self._timing.monotonic()
        collected = CollectedPages()
        licence: str | None = None
        continuation: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            try:
                answer = self._api.ask({**question, **continuation})
            except (PostponedError, BudgetExhaustedError):
                # What was read is kept, so that a page of many questions comes to its end.
                so_far = self._so_far(wanted, collected, licence)
                if so_far is None:
                    raise
                return so_far
            collected.add(answer)
            if collected.characters > _MAXIMUM_CHARACTERS:
                return FetchedPage(next_pages=_halves(wanted.split("|")))
            licence = licence or answer.licence
            continuation = answer.continuation
            if not continuation:
                return FetchedPage(collected.lines(), attribution=licence)
            _require_new(json.dumps(continuation, sort_keys=True), seen)
            if self._timing.monotonic() - started > HAND_ON_AFTER_SECONDS and "|" in wanted:
                so_far = self._so_far(wanted, collected, licence)
                return so_far or FetchedPage(next_pages=_halves(wanted.split("|")))

    def _so_far(
        self, wanted: str, collected: CollectedPages, licence: str | None
    ) -> FetchedPage | None:
        """The pages that were wholly read, which lead to the others; None where none were."""
        done = self._whole_pages(collected)
        if not done:
            return None
        rest = [page_id for page_id in wanted.split("|") if int(page_id) not in done]
        next_pages = (_planned(PAGES, {"pageids": "|".join(rest)}),) if rest else ()
        return FetchedPage(collected.lines(done), None, licence, next_pages=next_pages)

    def _content_question(self) -> dict[str, str]:
        shared = {"inprop": "url", "meta": "siteinfo", "siprop": "rightsinfo"}
        if self._settings.text == "extract":
            return {
                **shared,
                "prop": "extracts|info|revisions",
                "explaintext": "1",
                "exlimit": str(self._settings.titles_at_once),
                "rvprop": "ids|timestamp",
            }
        return {
            **shared,
            "prop": "revisions|info|categories",
            "rvprop": "ids|timestamp|content",
            "rvslots": "main",
            "cllimit": "500",
            "clshow": "!hidden",
        }

    def _whole_pages(self, collected: CollectedPages) -> frozenset[int]:
        """The pages that no further answer adds to.

        Only extracts come page by page; other answers do not show whether a page is complete.
        """
        return collected.having("extract") if self._settings.text == "extract" else frozenset()


def _planned(endpoint: str, query: dict[str, str]) -> PlannedPage:
    return PlannedPage(endpoint, f"{endpoint}-{query_hash(endpoint, query)[:32]}", query)


def _halves(page_ids: Sequence[str]) -> tuple[PlannedPage, ...]:
    """Pages that are too long together are read in two parts."""
    if len(page_ids) == 1:
        raise SourceError(f"the wiki's page {page_ids[0]} has too long a text to be read")
    middle = len(page_ids) // 2
    return tuple(
        _planned(PAGES, {"pageids": "|".join(half)})
        for half in (page_ids[:middle], page_ids[middle:])
    )


def _since(query: Mapping[str, str]) -> datetime | None:
    try:
        return _moment(query["since"]) if "since" in query else None
    except ValueError:
        raise SourceError("a listing page of a mediawiki corpus lists since no time") from None


def _continuation(query: Mapping[str, str]) -> dict[str, str]:
    try:
        found = parse_foreign_json(query.get("continue", "{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise SourceError("a listing page of a mediawiki corpus continues nowhere")
    return found


def _require_new(continuation: str, seen: set[str]) -> None:
    if continuation in seen:
        raise SourceError("the wiki leads back to where it was: its `continue` repeats itself")
    seen.add(continuation)
    if len(seen) >= _MOST_ANSWERS:
        raise SourceError(f"the wiki cuts its answer into more than {_MOST_ANSWERS} parts")


def _is_touched(page: Mapping[str, Any], since: datetime | None) -> bool:
    """Whether a page may have changed since; one that does not say when it did may have."""
    try:
        return since is None or _moment(str(page.get("touched"))) >= since
    except ValueError:
        return True


def _moment(text: str) -> datetime:
    """Return a moment in UTC where no zone is given; raises ValueError for another text."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
