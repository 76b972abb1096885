"""One page of a JSON API, as a page job carries it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, ValidationError

from shared.errors import SourceError
from shared.models.base import Contract, PageId
from shared.sources.http_json.links import LONGEST_ADDRESS

ENDPOINT = "records"
EndStatus = Literal["never", "not_found", "refused"]

_FOUND = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})
END_STATUSES: dict[EndStatus, frozenset[int]] = {
    "never": frozenset(),
    "not_found": frozenset({HTTPStatus.NOT_FOUND}),
    # A page that may be behind the last one; sources answer such a request in many ways.
    "refused": frozenset(
        {
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.GONE,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        }
    ),
}
_LONGEST_CHAIN = 100_000
_MOST_EMPTY_PAGES = 1000
_MOST_REPEATED_PAGES = 5


class Step(Contract):
    """Where a page is, and what is known of those before it.

    `at` is an offset, a page's number, a cursor, or an address; None for a page that needs none.
    `since` is what an incremental run asks for changes after. A page that `goes_on` names the next;
    with `size` only if it holds that many records. `origin` is the id of the page that its chain
    began with. `end` says how the source may tell that the page lies behind its last; it never does
    of a first page. `digest` is that of the last page before that had records, and `idle` how many
    pages in a row brought nothing new.
    """

    at: Annotated[str, Field(max_length=LONGEST_ADDRESS)] | None = None
    since: Annotated[str, Field(max_length=100)] | None = None
    goes_on: bool = False
    size: NonNegativeInt | None = None
    origin: PageId | None = None
    end: EndStatus = "never"
    digest: str | None = None
    idle: NonNegativeInt = 0
    depth: NonNegativeInt = 0

    @property
    def query(self) -> dict[str, str]:
        """The query of its page job."""
        said = self.model_dump(exclude_defaults=True)
        return {
            name: "true" if value is True else str(value)
            for name, value in said.items()
            if value is not None
        }

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Step":
        """Read the query of a page job.

        Raises:
            SourceError: it is none of an http_json corpus.
        """
        try:
            return cls.model_validate(query)
        except ValidationError:
            raise SourceError("a page of an http_json corpus has a query of another form") from None

    @property
    def accepted(self) -> frozenset[int]:
        """The statuses that answer the question for the page."""
        return _FOUND | END_STATUSES[self.end]

    def following(
        self, at: str, own_id: str, lines: Sequence[str], end: EndStatus = "never"
    ) -> "Step":
        """Return the step after this one, whose page held `lines`.

        Raises:
            SourceError: the chain goes round in circles, or on and on.
        """
        digest = _digest(lines) if lines else self.digest
        is_idle = not lines or digest == self.digest
        idle = self.idle + 1 if is_idle else 0
        if idle > (_MOST_REPEATED_PAGES if lines else _MOST_EMPTY_PAGES):
            raise SourceError(
                f"the source gave nothing new in {idle} pages in a row and names another; check "
                "the parameters of `paging`, or give `total`"
            )
        if self.depth >= _LONGEST_CHAIN:
            raise SourceError(f"the source still names a next page after {_LONGEST_CHAIN:,}")
        return Step(
            at=at,
            since=self.since,
            goes_on=True,
            origin=self.origin or own_id,
            end=end,
            digest=digest,
            idle=idle,
            depth=self.depth + 1,
        )


def _digest(lines: Sequence[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()[:16]
