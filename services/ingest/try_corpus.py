"""A dry run: what a corpus would make of its first records. Nothing is written."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from aws_lambda_powertools.utilities.parser import ValidationError, parse
from pydantic import Field, model_validator

from shared.corpora.documents import CorpusRegistry, check_corpus
from shared.errors import InvalidInputError
from shared.models.base import Contract, CorpusName
from shared.models.corpus import Corpus
from shared.models.entity import Reject
from shared.models.forms import field_problems
from shared.models.run import EndpointCheckpoint
from shared.sources.base import PlannedPage, Source
from shared.sources.dry_run import MAXIMUM_TRIED_RECORDS, TriedEntity, TryReport, try_lines

# A listing, what it lists, and a few empty ones: more would be a run.
MAXIMUM_PAGES = 5


class TryRequest(Contract):
    """A corpus by its name, or a document that may become one; `limit` counts records."""

    action: Literal["try"]
    corpus: CorpusName | None = None
    document: dict[str, Any] | None = None
    limit: Annotated[int, Field(ge=1, le=MAXIMUM_TRIED_RECORDS)] = 5

    @model_validator(mode="after")
    def _has_one_corpus(self) -> Self:
        if (self.corpus is None) == (self.document is None):
            raise ValueError("give either corpus or document")
        return self


class TryAnswer(Contract):
    """What the first records became, and how much there is of the source.

    `pages_of_source` is how many pages a full run would plan at first; with `has_chained_pages`
    more follow from those. `records_of_source` is what the source itself says, if it does.
    """

    corpus: str
    pages_of_source: int
    has_chained_pages: bool
    records_of_source: int | None
    pages_read: int
    records: int
    entities: tuple[TriedEntity, ...]
    rejects: tuple[Reject, ...]
    warnings: tuple[str, ...]


def parse_try_request(event: Mapping[str, Any]) -> TryRequest:
    """Read the event.

    Raises:
        InvalidInputError: names each wrong field.
    """
    try:
        return parse(event=dict(event), model=TryRequest)
    except ValidationError as error:
        problems = field_problems(error, "event")
        raise InvalidInputError(
            f'the request is not valid: {problems}; send {{"action": "try", "corpus": "…", '
            '"limit": 5} or {"action": "try", "document": {…}}'
        ) from None


@dataclass(frozen=True, slots=True)
class Trial:
    """Tries corpora; its calls count against the limits of their sources like any others."""

    corpora: CorpusRegistry
    make_source: Callable[[Corpus], Source]

    def run(self, request: TryRequest) -> TryAnswer:
        """Plan, fetch a page or a few, and derive the first records of them.

        Raises:
            NotFoundError: there is no such corpus.
            InvalidInputError: the document is no valid corpus; names the fields.
            SourceError: the source cannot be used; says why.
        """
        corpus = self._corpus(request)
        source = self.make_source(corpus)
        plan = source.plan("full", lambda _: EndpointCheckpoint())
        reports, pages_read, is_chained = _read(corpus, source, plan.pages, request.limit)
        warnings = [warning for report in reports for warning in report.warnings]
        if not plan.pages:
            warnings.append("the source has no pages; check where it is said to be")
        return TryAnswer(
            corpus=corpus.name,
            pages_of_source=len(plan.pages),
            has_chained_pages=is_chained,
            records_of_source=plan.records,
            pages_read=pages_read,
            records=sum(report.records for report in reports),
            entities=tuple(entity for report in reports for entity in report.entities),
            rejects=tuple(reject for report in reports for reject in report.rejects),
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _corpus(self, request: TryRequest) -> Corpus:
        if request.corpus is not None:
            return self.corpora.get(request.corpus)
        return check_corpus(request.document, "document")


def _read(
    corpus: Corpus, source: Source, pages: tuple[PlannedPage, ...], limit: int
) -> tuple[list[TryReport], int, bool]:
    """Return what the first pages became, how many were read, and whether they listed others.

    Pages without records, such as a listing, are left out of the reports unless all are.
    """
    waiting = deque(pages)
    known = {page.page_id for page in pages}
    reports: list[TryReport] = []
    empty: list[TryReport] = []
    pages_read, left, is_chained = 0, limit, False
    while waiting and left > 0 and pages_read < MAXIMUM_PAGES:
        page = waiting.popleft()
        fetched = source.fetch(page.endpoint, page.query, None)
        pages_read += 1
        following = [found for found in fetched.next_pages if found.page_id not in known]
        known.update(found.page_id for found in following)
        waiting.extend(following)
        is_chained = is_chained or bool(following)
        report = try_lines(corpus, page.endpoint, fetched.lines, left, fetched.attribution)
        (reports if report.records else empty).append(report)
        left -= report.records
    return reports or empty[:1], pages_read, is_chained
