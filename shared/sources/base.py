"""What a source is to the stages: it plans pages, and it fetches one."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.models.run import EndpointCheckpoint, RunMode

CheckpointReader = Callable[[str], EndpointCheckpoint]
"""Gives the checkpoint of an endpoint, empty when it was never read."""


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """One page to fetch; `page_id` is unique in a run, `query` never holds credentials."""

    endpoint: str
    page_id: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """The pages of one endpoint, and its checkpoint if the run ends without a gap.

    `records` is how many different records the source says they hold, where it says so.
    """

    endpoint: str
    pages: tuple[PlannedPage, ...]
    next_checkpoint: EndpointCheckpoint
    is_unchanged: bool = False
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to fetch."""

    endpoints: tuple[EndpointPlan, ...]

    @property
    def pages(self) -> tuple[PlannedPage, ...]:
        """The pages of all endpoints, in order."""
        return tuple(page for endpoint in self.endpoints for page in endpoint.pages)

    @property
    def records(self) -> int | None:
        """How many different records a run should see; None where an endpoint does not say."""
        counts = [endpoint.records for endpoint in self.endpoints]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def next_checkpoints(self) -> dict[str, EndpointCheckpoint]:
        """The checkpoints to write when the run ends without a gap."""
        return {endpoint.endpoint: endpoint.next_checkpoint for endpoint in self.endpoints}


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page as received: each line is the source's own text of one record.

    `is_not_modified` says that the page still is what `etag` named; then there are no lines.
    `attribution` is what the source wants to be shown with its data. `next_pages` are pages that
    only this one could list: they join the run. Their ids follow from what they ask for, so that a
    source that leads back to an earlier page is detected.
    """

    lines: tuple[str, ...] = field(default=())
    etag: str | None = None
    attribution: str | None = None
    is_not_modified: bool = False
    next_pages: tuple[PlannedPage, ...] = field(default=())


class Source(Protocol):
    """A paged corpus.

    Both methods raise `SourceError` or one of its kinds when the source cannot be used, and let a
    `PostponedError` pass, which says when to come back.
    """

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Find out which pages a run has to fetch."""
        ...

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        """Fetch one planned page; with `etag`, only if it has changed since."""
        ...


def query_hash(endpoint: str, query: Mapping[str, str]) -> str:
    """Identify a page across runs: sha256 of its endpoint and query, 64 hex characters."""
    text = json.dumps([endpoint, sorted(query.items())])
    return hashlib.sha256(text.encode()).hexdigest()
