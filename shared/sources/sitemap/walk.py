"""Where a walk through nested sitemaps is: it fits into the query of a page.

`SitemapPages` in `source.py` takes the steps.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from shared.canonical.dates import normalise_date
from shared.errors import SourceError
from shared.models.base import Contract
from shared.sources.sitemap.documents import SitemapEntry


class Frame(Contract):
    """A sitemap that is being read: `position` entries are done, the last of which was `behind`."""

    url: str
    depth: Annotated[int, Field(ge=0)] = 0
    position: Annotated[int, Field(ge=0)] = 0
    behind: str | None = None

    def unread(self, addresses: Sequence[str]) -> int:
        """Return where to go on, even if the sitemap changed since.

        Behind the last address that was read; if that is gone, so may be others before it.
        """
        if self.behind is not None and self.behind in addresses:
            return addresses.index(self.behind) + 1
        return max(0, self.position - 1) if self.behind is not None else 0


class Walk(Contract):
    """The sitemaps that are still to be read, the next one last, and how much was found so far."""

    frames: Annotated[tuple[Frame, ...], Field(min_length=1)]
    pages: Annotated[int, Field(ge=0)] = 0
    sitemaps: Annotated[int, Field(ge=0)] = 0
    since: datetime | None = None

    @staticmethod
    def of_query(query: Mapping[str, str]) -> "Walk":
        """Read what `query` wrote.

        Raises:
            SourceError: it is something else.
        """
        try:
            return Walk.model_validate_json(query.get("walk", ""))
        except ValidationError:
            raise SourceError("a page of a sitemap corpus names no walk") from None

    def query(self) -> dict[str, str]:
        """Return the query of the page that goes on with this walk."""
        return {"walk": self.model_dump_json(exclude_none=True)}


def is_changed(entry: SitemapEntry, since: datetime | None) -> bool:
    """Whether an entry may have changed since; one that does not say when it did may have."""
    if since is None or entry.last_modified is None:
        return True
    written = normalise_date(entry.last_modified)
    if written is None:
        return True
    moment = datetime.fromisoformat(written)
    # A day, or a time without a zone, may be any of a day's moments.
    leeway = timedelta(days=1) if moment.tzinfo is None else timedelta()
    # Taken from `since`: a site may write 9999-12-31, behind which there is no day.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= since - leeway
