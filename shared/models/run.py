"""A run of ingest, as recorded: what was asked, how far it is, how it ended."""

from typing import Annotated, Literal

from pydantic import Field

from shared.models.base import CorpusName, PageId, RunId, StoredRecord

RunMode = Literal["full", "incremental"]
RunStatus = Literal["planning", "running", "succeeded", "incomplete", "failed", "cancelled"]
PageOutcome = Literal["done", "unchanged", "gap", "failed", "cancelled"]

LIVE_STATUSES: frozenset[RunStatus] = frozenset({"planning", "running"})
TERMINAL_STATUSES: frozenset[RunStatus] = frozenset(
    {"succeeded", "incomplete", "failed", "cancelled"}
)


class EndpointCheckpoint(StoredRecord):
    """How far an endpoint of a source was read by the last run that ended well.

    `last_modified` is what the next incremental run asks for changes since; `etag` belongs to
    the planner's probe with that same question.
    """

    last_modified: str | None = None
    etag: str | None = None


class RunRecord(StoredRecord):
    """The run itself; times are ISO 8601 in UTC.

    `pages_planned` counts every page that joined the run so far: those that were planned, and those
    that fetched pages listed. `records_planned` is how many different records the source said that
    the pages hold. `cancel_requested` is when an operator asked for the run to be cancelled.
    `follows_seq` is the `seq` of the newest run before this one that had pages. `model_prefix` is
    where the one model lies under which its parts are indexed. Both are None in a record of an
    earlier release.
    """

    run_id: RunId
    corpus: CorpusName
    mode: RunMode
    status: RunStatus
    seq: Annotated[int, Field(ge=0)]
    follows_seq: int | None = None
    model_prefix: str | None = None
    started_at: str
    ended_at: str | None = None
    pages_planned: Annotated[int, Field(ge=0)] = 0
    records_planned: int | None = None
    reason: str | None = None
    cancel_requested: str | None = None
    next_checkpoints: dict[str, EndpointCheckpoint] = Field(default_factory=dict)

    @property
    def trusted_seq(self) -> int:
        """The least `seq` of a run whose etags this run trusts.

        An etag says that a page is as it was. It does not say that no run in between read the same
        entities on another page, or in another version: a file may return to its older content.
        """
        return self.seq if self.follows_seq is None else self.follows_seq

    def is_of_model(self, model_prefix: str) -> bool:
        """Whether the run indexes under a model; a run of an earlier release does under any."""
        return self.model_prefix in {None, model_prefix}


class RunProgress(StoredRecord):
    """A run with its counters.

    In every terminal state pages planned = done + gaps + failed + cancelled. `pages_unchanged`
    pages are also counted in `pages_done`. `chunks` are either embedded (`vectors`) or found
    indexed already (`chunks_unchanged`). `parts_outdated` are parts of pages that came after their
    index was swept, restored or deleted, or after the model changed, and did not enter it.
    `left_out` records were not meant to become entities, unlike `rejects`. `entities_deleted` are
    those that a full run no longer saw. `moved_at` is when a counter last moved, ISO 8601 in UTC.
    """

    run: RunRecord
    pages_done: int = 0
    pages_unchanged: int = 0
    pages_gap: int = 0
    pages_failed: int = 0
    pages_cancelled: int = 0
    raw_records: int = 0
    entities: int = 0
    edges: int = 0
    rejects: int = 0
    left_out: int = 0
    chunks: int = 0
    chunks_unchanged: int = 0
    vectors: int = 0
    parts_outdated: int = 0
    entities_deleted: int = 0
    shards: int = 0
    moved_at: str | None = None

    @property
    def pages_ended(self) -> int:
        """How many pages have an outcome."""
        return self.pages_done + self.pages_gap + self.pages_failed + self.pages_cancelled

    @property
    def is_ended(self) -> bool:
        """Whether the run is in a terminal state."""
        return self.run.status in TERMINAL_STATUSES


class ProblemPage(StoredRecord):
    """A page that a run could not read or not finish, and why.

    `query` is what was asked of the source; it never holds credentials.
    """

    page_id: PageId
    endpoint: str
    outcome: PageOutcome
    reason: str
    query: dict[str, str]
