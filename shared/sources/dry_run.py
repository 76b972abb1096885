"""What a corpus would make of a few records, for `ultron corpus try`. Pure: nothing is kept."""

import itertools
from collections import Counter
from collections.abc import Iterable

from shared.canonical.page import DerivedPage, derive_page
from shared.canonical.records import RecordContext
from shared.errors import InvalidInputError
from shared.models.base import Contract
from shared.models.corpus import Corpus
from shared.models.entity import Entity, Reject, Scalar
from shared.sources.canonicalisers import canonicaliser

MAXIMUM_TRIED_RECORDS = 100

_SHOWN_TEXT_CHARACTERS = 300
_SHOWN_RAW_CHARACTERS = 500
_SHOWN_LIST_ITEMS = 20
# No run has it, and none of what is made here is kept.
_NO_RUN = "00000000T000000Z-00000000"


class TriedEntity(Contract):
    """An entity that a run would make, long texts cut at 300 characters and marked with `…`.

    `text_characters` is the length of the whole text; `edges` is how many relations of it the tried
    records tell of.
    """

    key: str
    title: str
    text: str
    text_characters: int
    modified: str | None
    urls: tuple[str, ...]
    attribution: str | None
    metadata: dict[str, Scalar | list[Scalar]]
    edges: int
    warnings: tuple[str, ...]


class TryReport(Contract):
    """What the first records became; each is in an entity or among the rejects.

    `warnings` are about the corpus as a whole, those of one record are with its entity.
    """

    corpus: str
    records: int
    entities: tuple[TriedEntity, ...]
    rejects: tuple[Reject, ...]
    warnings: tuple[str, ...]


def try_lines(
    corpus: Corpus,
    endpoint: str,
    lines: Iterable[str],
    limit: int,
    attribution: str | None = None,
) -> TryReport:
    """Derive the first `limit` raw lines of a page of `endpoint` as a run would.

    Raises:
        InvalidInputError: the limit is not between 1 and 100.
    """
    if not 1 <= limit <= MAXIMUM_TRIED_RECORDS:
        raise InvalidInputError(f"limit must be between 1 and {MAXIMUM_TRIED_RECORDS}")
    tried = list(itertools.islice(lines, limit))
    context = RecordContext(endpoint, _NO_RUN, attribution)
    page = derive_page(tried, canonicaliser(corpus), context)
    edges = Counter(key for edge in page.edges for key in (edge.from_key, edge.to_key))
    return TryReport(
        corpus=corpus.name,
        records=len(tried),
        entities=tuple(_shown(entity, edges[entity.key]) for entity in page.entities),
        rejects=tuple(
            reject.model_copy(update={"raw": _cut(reject.raw, _SHOWN_RAW_CHARACTERS)})
            for reject in page.rejects
        ),
        warnings=tuple(_warnings(len(tried), page)),
    )


def _warnings(records: int, page: DerivedPage) -> list[str]:
    if not records:
        return ["the page holds no records; check where the source looks for them"]
    if not page.entities:
        return ["no record became an entity; check the mapping against the reasons"]
    warnings: list[str] = []
    replaced = records - len(page.entities) - len(page.rejects)
    if replaced:
        warnings.append(
            f"{replaced} records have the type and id of a later one, which takes their place; "
            "check the mapping's id"
        )
    if not any(entity.description for entity in page.entities):
        warnings.append("no entity has a text; check the mapping's text")
    return warnings


def _shown(entity: Entity, edges: int) -> TriedEntity:
    return TriedEntity(
        key=entity.key,
        title=_cut(entity.title),
        text=_cut(entity.description),
        text_characters=len(entity.description),
        modified=entity.modified,
        urls=entity.urls[:_SHOWN_LIST_ITEMS],
        attribution=entity.attribution,
        metadata={name: _cut_value(value) for name, value in entity.fields.items()},
        edges=edges,
        warnings=entity.warnings,
    )


def _cut_value(value: Scalar | list[Scalar]) -> Scalar | list[Scalar]:
    if isinstance(value, list):
        return [_cut_scalar(item) for item in value[:_SHOWN_LIST_ITEMS]]
    return _cut_scalar(value)


def _cut_scalar(value: Scalar) -> Scalar:
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str, length: int = _SHOWN_TEXT_CHARACTERS) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
