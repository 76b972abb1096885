"""The sitemap source: a chain of listing pages, each with the content pages it found.

A listing page reads one sitemap, or a part of a long one, and hands on the walk.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

from shared.errors import BudgetExhaustedError, PostponedError, SourceError
from shared.foreign_json import parse_foreign_json
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import RateLimit, SitemapSource
from shared.platform.observability import logger
from shared.sources.base import (
    CheckpointReader,
    EndpointPlan,
    FetchedPage,
    Plan,
    PlannedPage,
    query_hash,
)
from shared.sources.sitemap.addresses import (
    ending_of_no_page,
    host_of,
    is_below,
    normal_address,
    origin_of,
)
from shared.sources.sitemap.documents import Sitemap, read_sitemap
from shared.sources.sitemap.robots import Robots, RobotsCache
from shared.sources.sitemap.walk import Frame, Walk, is_changed
from shared.sources.sitemap.web_page import page_line, problem_line
from shared.web.client import SourceClient
from shared.web.redirects import host_path
from shared.web.retry import HAND_ON_AFTER_SECONDS, Timing

SITEMAP = "sitemap"
PAGES = "pages"
MAXIMUM_DEPTH = 4
MAXIMUM_SITEMAPS = 5_000
# As many as one function plans in a few seconds.
_PAGES_A_STEP = 400
# What derive can read in its time, on the part of a processor that it has.
_MAXIMUM_CHARACTERS = 4 * 1024 * 1024
# Clocks differ, and a site may write its sitemap some time after the page.
_OVERLAP = timedelta(minutes=5)
_READ = frozenset({HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_ACCEPT = {"Accept": "text/html,application/xhtml+xml"}

Address = tuple[str, str | None]
"""A page, and when it changed as the sitemap says."""


class SitemapPages:
    """Implements `Source` over HTTP."""

    def __init__(
        self,
        settings: SitemapSource,
        make_client: Callable[[RateLimit], SourceClient],
        robots: RobotsCache,
        timing: Timing,
    ) -> None:
        root = normal_address(settings.sitemap_url)
        if root is None:
            raise SourceError("sitemap_url is no web address that can be read")
        self._root = root
        self._settings = settings
        self._prefixes = [
            prefix for prefix in map(normal_address, settings.url_prefixes) if prefix is not None
        ]
        self._make_client = make_client
        self._known_robots = robots
        self._timing = timing

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Plan the first step of the walk; an incremental run skips what says it did not change."""
        watermark = checkpoints(SITEMAP).last_modified if mode == "incremental" else None
        since = None if watermark is None else datetime.fromisoformat(watermark)
        next_watermark = (self._timing.now() - _OVERLAP).isoformat(timespec="seconds")
        first = _step(Walk(frames=(Frame(url=self._root),), since=since))
        checkpoint = EndpointCheckpoint(last_modified=next_watermark)
        return Plan((EndpointPlan(SITEMAP, (first,), checkpoint),))

    def fetch(
        self,
        endpoint: str,
        query: Mapping[str, str],
        etag: str | None,  # noqa: ARG002 - see below
    ) -> FetchedPage:
        """Take one step of the walk, or read some pages; a page of several answers has no etag."""
        if endpoint == SITEMAP:
            return self._walk_on(Walk.of_query(query))
        if endpoint == PAGES:
            return self._read(_addresses(query), query)
        raise SourceError(f"a sitemap corpus has no endpoint {endpoint!r}")

    def _walk_on(self, walk: Walk) -> FetchedPage:
        frame, behind = walk.frames[-1], walk.frames[:-1]
        if walk.sitemaps >= MAXIMUM_SITEMAPS:
            raise SourceError(f"the site has more than {MAXIMUM_SITEMAPS:,} sitemaps")
        client, _ = self._tools_for(frame.url)
        try:
            sitemap = self._sitemap(frame, client)
        except BudgetExhaustedError:
            raise
        except SourceError:
            if not behind:
                raise
            # The walk goes on without it, and it becomes a page, and so a gap, by itself.
            alone = walk.model_copy(update={"frames": (frame,)})
            rest = walk.model_copy(update={"frames": behind, "sitemaps": walk.sitemaps + 1})
            return FetchedPage(next_pages=(_step(alone), _step(rest)))
        found = self._chosen(sitemap, walk.since)
        if sitemap.kind == "index":
            known = {known.url for known in walk.frames}
            found = [address for address in found if address[0] not in known]
            return FetchedPage(next_pages=tuple(self._descended(walk, found)))
        return FetchedPage(next_pages=tuple(self._listed(walk, found)))

    def _sitemap(self, frame: Frame, client: SourceClient) -> Sitemap:
        if frame.depth > MAXIMUM_DEPTH:
            raise SourceError(
                f"{host_path(frame.url)} is nested deeper than {MAXIMUM_DEPTH} indexes of sitemaps"
            )
        response = client.get(frame.url)
        if host_of(normal_address(response.url) or "") != host_of(self._root):
            raise SourceError(f"{host_path(frame.url)} redirects to another host")
        return read_sitemap(response.body, host_path(frame.url))

    def _chosen(self, sitemap: Sitemap, since: datetime | None) -> list[Address]:
        """The entries that are read, each once, in the order of the sitemap."""
        prefixes = self._prefixes if sitemap.kind == "pages" else []
        chosen: dict[str, str | None] = {}
        for entry in sitemap.entries:
            address = normal_address(entry.address)
            if (
                address is not None
                and host_of(address) == host_of(self._root)
                and is_below(address, prefixes)
                and is_changed(entry, since)
            ):
                chosen.setdefault(address, entry.last_modified)
        return list(chosen.items())

    def _descended(self, walk: Walk, found: Sequence[Address]) -> Iterator[PlannedPage]:
        """Go on with the next sitemap of an index, and then with the index."""
        frame = walk.frames[-1]
        start = frame.unread([address for address, _ in found])
        frames = list(walk.frames[:-1])
        if start < len(found):
            child = found[start][0]
            if start + 1 < len(found):
                update = {"position": start + 1, "behind": child}
                frames.append(frame.model_copy(update=update))
            frames.append(Frame(url=child, depth=frame.depth + 1))
        yield from self._handed_on(walk, frames, walk.pages)

    def _listed(self, walk: Walk, found: Sequence[Address]) -> Iterator[PlannedPage]:
        """Plan the content pages of a sitemap, or of a part of it, and go on behind them."""
        frame, size = walk.frames[-1], self._settings.urls_per_page
        start = frame.unread([address for address, _ in found])
        room = self._settings.maximum_pages - walk.pages
        taken = found[start : start + min(room, _PAGES_A_STEP * size)]
        # The same address on two sitemaps is read twice; its pages must not look like a loop.
        origin = query_hash(SITEMAP, walk.query())[:16]
        for first in range(0, len(taken), size):
            yield _content(taken[first : first + size], origin)
        frames = list(walk.frames[:-1])
        end = start + len(taken)
        if end < len(found):
            update = {"position": end, "behind": taken[-1][0] if taken else frame.behind}
            frames.append(frame.model_copy(update=update))
        yield from self._handed_on(walk, frames, walk.pages + len(taken))

    def _handed_on(self, walk: Walk, frames: Sequence[Frame], pages: int) -> Iterator[PlannedPage]:
        if not frames:
            return
        if pages >= self._settings.maximum_pages:
            logger.warning("the site has more than maximum_pages", extra={"pages": pages})
            return
        update = {"frames": tuple(frames), "pages": pages, "sitemaps": walk.sitemaps + 1}
        yield _step(walk.model_copy(update=update))

    def _read(self, addresses: Sequence[Address], query: Mapping[str, str]) -> FetchedPage:
        started = self._timing.monotonic()
        origin = query_hash(PAGES, query)[:16]
        tools = {
            start: self._tools_for(start) for start in {origin_of(url) for url, _ in addresses}
        }
        lines: list[str] = []
        for number, (url, last_modified) in enumerate(addresses):
            client, robots = tools[origin_of(url)]
            rest = addresses[number:]
            try:
                is_late = self._timing.monotonic() - started > HAND_ON_AFTER_SECONDS
                if number > 0 and (is_late or sum(map(len, lines)) > _MAXIMUM_CHARACTERS):
                    return FetchedPage(tuple(lines), next_pages=(_content(rest, origin),))
                line = self._line(url, last_modified, client, robots)
            except (PostponedError, BudgetExhaustedError):
                if not lines and number == 0:
                    raise
                # What was read is kept: with many workers a page might never be read in one go.
                return FetchedPage(tuple(lines), next_pages=(_content(rest, origin),))
            except SourceError:
                if len(addresses) == 1:
                    raise
                parts = (part for part in (rest[:1], rest[1:]) if part)
                next_pages = tuple(_content(part, origin) for part in parts)
                return FetchedPage(tuple(lines), next_pages=next_pages)
            lines += [] if line is None else [line]
        return FetchedPage(tuple(lines))

    def _line(
        self, url: str, last_modified: str | None, client: SourceClient, robots: Robots
    ) -> str | None:
        """Read a page; None when it is gone."""
        if not robots.allows(url):
            return problem_line(url, "the site's robots.txt does not allow it")
        ending = ending_of_no_page(url)
        if ending is not None:
            return problem_line(url, f"not a web page: its address ends in {ending}")
        response = client.get(url, _ACCEPT, accepted=_READ)
        if response.status != HTTPStatus.OK:
            return None
        found_at = normal_address(response.url)
        if found_at is None or host_of(found_at) != host_of(self._root):
            return problem_line(url, f"it redirects to another host, {host_path(response.url)}")
        if not robots.allows(found_at):
            return problem_line(url, "it redirects to where the site's robots.txt allows nothing")
        return page_line(url, last_modified, response)

    def _tools_for(self, address: str) -> tuple[SourceClient, Robots]:
        """The way to an origin, as slow as it asks for, and what it allows."""
        rate = self._settings.rate
        origin = origin_of(address)
        robots = self._known_robots.of(origin, self._make_client(rate), self._timing.now)
        return self._make_client(robots.slowed(rate)), robots


def _step(walk: Walk) -> PlannedPage:
    query = walk.query()
    return PlannedPage(SITEMAP, f"{SITEMAP}-{query_hash(SITEMAP, query)[:32]}", query)


def _content(addresses: Sequence[Address], origin: str) -> PlannedPage:
    query = {"urls": json.dumps(addresses, separators=(",", ":")), "origin": origin}
    return PlannedPage(PAGES, f"{PAGES}-{query_hash(PAGES, query)[:32]}", query)


def _addresses(query: Mapping[str, str]) -> list[Address]:
    try:
        found = parse_foreign_json(query.get("urls", ""))
        addresses = [(str(url), last_modified) for url, last_modified in found]
    except (ValueError, TypeError, RecursionError):
        addresses = []
    if not addresses:
        raise SourceError("a page of a sitemap corpus names no urls")
    return addresses
