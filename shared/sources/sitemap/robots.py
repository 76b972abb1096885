"""What a site's robots.txt allows us (RFC 9309)."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from protego import Protego

from shared.errors import SourceUnavailableError
from shared.models.sources import RateLimit
from shared.sources.sitemap import ROBOT_NAME
from shared.web.client import SourceClient

_MAXIMUM_BYTES = 500 * 1024
_MAXIMUM_AGE = timedelta(hours=1)
_MOST_KEPT = 100
# A site that asks for more is called once a day: the state's clock counts no longer ones.
_LONGEST_DELAY_SECONDS = 86_400
# A site that gives no robots.txt allows everything.
_ANSWERS = frozenset({HTTPStatus.OK, *range(400, 500)})
# In all the ways in which the parser reads one: `User-agent: a`, `useragent a`, `user  agent a`.
_AGENT = re.compile(r"\s*+user(?:[- ]?agent\s*+:|(?:-?|\s++)agent\s++(?!:))([^#]*+)", re.IGNORECASE)
_ANOTHER_AGENT = "User-agent: another-robot"


class Robots:
    """The rules for us."""

    def __init__(self, text: str) -> None:
        self._rules = Protego.parse(_about_us(text))

    def allows(self, address: str) -> bool:
        """Whether the page may be read."""
        return bool(self._rules.can_fetch(address, ROBOT_NAME))

    def slowed(self, rate: RateLimit) -> RateLimit:
        """Return the rate that neither exceeds what was configured nor what the site asks for."""
        delay_seconds = self._rules.crawl_delay(ROBOT_NAME)
        if not delay_seconds or delay_seconds <= 0:
            return rate
        asked = 1 / min(delay_seconds, _LONGEST_DELAY_SECONDS)
        if rate.calls_per_second is not None and rate.calls_per_second <= asked:
            return rate
        return rate.model_copy(update={"calls_per_second": asked, "burst": 1})


def _about_us(text: str) -> str:
    """Return a robots.txt whose groups for other robots are all for one of them.

    The parser gives each robot of a group every rule of it: with twenty thousand of both, which is
    half the bytes that are read, it would take gigabytes.
    """
    return "\n".join(
        line if (agent := _AGENT.match(line)) is None or _may_be_us(agent[1]) else _ANOTHER_AGENT
        for line in text.splitlines()
    )


def _may_be_us(agent: str) -> bool:
    name = agent.strip().lower()
    return name == "*" or ROBOT_NAME.startswith(name.replace("*", "") or "*")


class RobotsCache:
    """Rules by origin, read again after an hour."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[datetime, Robots]] = {}

    def of(self, origin: str, client: SourceClient, now: Callable[[], datetime]) -> Robots:
        """Return the rules of an origin such as `https://a.example`.

        Raises:
            SourceUnavailableError: they cannot be read, and so nothing else may be.
        """
        known = self._kept.get(origin)
        if known is not None and now() - known[0] < _MAXIMUM_AGE:
            return known[1]
        robots = _read(origin, client)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[origin] = now(), robots
        return robots


def _read(origin: str, client: SourceClient) -> Robots:
    try:
        response = client.get(f"{origin}/robots.txt", accepted=_ANSWERS)
    except SourceUnavailableError as error:
        raise SourceUnavailableError(
            f"the site's robots.txt cannot be read, so nothing of it may be: {error}"
        ) from None
    if response.status != HTTPStatus.OK:
        return Robots("")
    return Robots(response.body[:_MAXIMUM_BYTES].decode("utf-8-sig", "replace"))
