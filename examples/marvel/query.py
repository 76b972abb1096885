"""What a list request asks for, and the page that answers it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from examples.marvel.refusals import invalid_query
from examples.marvel.wire import (
    EntityType,
    WireEntity,
    parse_date,
    parse_whole_number,
    sort_date,
)

DEFAULT_LIMIT: Final = 20
MAXIMUM_LIMIT: Final = 100

_SortKey = Callable[[WireEntity], Any]


def _text_of(field: str) -> _SortKey:
    return lambda entity: (entity.get(field) or "").casefold()


def _number_of(field: str) -> _SortKey:
    return lambda entity: entity.get(field) or 0


def _date_of(field: str) -> _SortKey:
    return lambda entity: sort_date(entity.get(field))


def _comic_date(date_type: str) -> _SortKey:
    def key(comic: WireEntity) -> datetime:
        dates = {entry["type"]: entry["date"] for entry in comic.get("dates", [])}
        return sort_date(dates.get(date_type))

    return key


_ORDERINGS: Final[dict[EntityType, dict[str, _SortKey]]] = {
    "characters": {"name": _text_of("name")},
    "comics": {
        "title": _text_of("title"),
        "issueNumber": _number_of("issueNumber"),
        "onsaleDate": _comic_date("onsaleDate"),
        "focDate": _comic_date("focDate"),
    },
    "series": {"title": _text_of("title"), "startYear": _number_of("startYear")},
    "events": {"name": _text_of("title"), "startDate": _date_of("start")},
    "creators": {
        "lastName": _text_of("lastName"),
        "firstName": _text_of("firstName"),
        "middleName": _text_of("middleName"),
        "suffix": _text_of("suffix"),
    },
    "stories": {"id": _number_of("id")},
}
"""Besides `modified`, which every type has. The first is the default order."""

_NAME_FILTERS: Final[dict[EntityType, dict[str, str]]] = {
    "characters": {"name": "name"},
    "comics": {"title": "title"},
    "series": {"title": "title"},
    "events": {"name": "title"},
    "creators": {"firstName": "firstName", "middleName": "middleName", "lastName": "lastName"},
    "stories": {},
}
"""Parameter to field; `<parameter>StartsWith` exists for each. The official API had more."""

_CREDENTIALS: Final = frozenset({"ts", "apikey", "hash"})
_PAGING: Final = frozenset({"limit", "offset", "orderBy", "modifiedSince"})


@dataclass(frozen=True)
class NameFilter:
    """Keep entities whose field equals, or begins with, the text, ignoring case."""

    field: str
    text: str
    is_prefix: bool

    def accepts(self, entity: WireEntity) -> bool:
        """Whether the entity stays."""
        value = (entity.get(self.field) or "").casefold()
        wanted = self.text.casefold()
        return bool(value.startswith(wanted) if self.is_prefix else value == wanted)


@dataclass(frozen=True)
class ListQuery:
    """A checked list request; `order_by` holds names with an optional leading `-`."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    order_by: tuple[str, ...] = ()
    modified_since: datetime | None = None
    name_filters: tuple[NameFilter, ...] = ()


def check_item_query(parameters: Mapping[str, str]) -> None:
    """Raise RequestRefusedError when a request for one entity has parameters beside credentials."""
    for name in parameters:
        if name not in _CREDENTIALS:
            raise invalid_query(f"We don't recognize the parameter {name}")


def parse_list_query(entity_type: EntityType, parameters: Mapping[str, str]) -> ListQuery:
    """Check the parameters of a list request; raises RequestRefusedError for the first bad one."""
    names = _NAME_FILTERS[entity_type]
    known_filters = {*names, *(f"{name}StartsWith" for name in names)}
    for name, value in parameters.items():
        if name not in _CREDENTIALS | _PAGING | known_filters:
            raise invalid_query(f"We don't recognize the parameter {name}")
        if not value and name not in _CREDENTIALS:
            raise invalid_query(f"{name} cannot be blank if it is set")
    return ListQuery(
        limit=_parse_limit(parameters.get("limit", str(DEFAULT_LIMIT))),
        offset=_parse_offset(parameters.get("offset", "0")),
        order_by=_parse_order(entity_type, parameters.get("orderBy")),
        modified_since=_parse_modified_since(parameters.get("modifiedSince")),
        name_filters=tuple(
            NameFilter(names[name.removesuffix("StartsWith")], value, name not in names)
            for name, value in parameters.items()
            if name in known_filters
        ),
    )


def select_page(
    entity_type: EntityType, entities: Iterable[WireEntity], query: ListQuery
) -> WireEntity:
    """The `data` container: `{offset, limit, total, count, results}`.

    Equal keys are ordered by id, so that paging meets every entity once. `modifiedSince` includes
    the moment itself; entities without a modification date do not match it.
    """
    matching = [entity for entity in entities if _matches(entity, query)]
    ordered = _ordered(entity_type, matching, query.order_by)
    results = ordered[query.offset : query.offset + query.limit]
    return {
        "offset": query.offset,
        "limit": query.limit,
        "total": len(ordered),
        "count": len(results),
        "results": results,
    }


def _matches(entity: WireEntity, query: ListQuery) -> bool:
    if query.modified_since and sort_date(entity.get("modified")) < query.modified_since:
        return False
    return all(name_filter.accepts(entity) for name_filter in query.name_filters)


def _ordered(
    entity_type: EntityType, entities: list[WireEntity], order_by: tuple[str, ...]
) -> list[WireEntity]:
    keys = _sort_keys(entity_type)
    ordered = sorted(entities, key=_number_of("id"))
    for name in reversed(order_by or (next(iter(_ORDERINGS[entity_type])),)):
        # A stable sort with `reverse` keeps equal elements in their order: ids stay ascending.
        ordered.sort(key=keys[name.removeprefix("-")], reverse=name.startswith("-"))
    return ordered


def _sort_keys(entity_type: EntityType) -> dict[str, _SortKey]:
    return {**_ORDERINGS[entity_type], "modified": _date_of("modified")}


def _parse_limit(text: str) -> int:
    limit = parse_whole_number(text)
    if not limit:
        raise invalid_query("You must pass an integer limit greater than 0.")
    if limit > MAXIMUM_LIMIT:
        raise invalid_query(f"You may not request more than {MAXIMUM_LIMIT} items.")
    return limit


def _parse_offset(text: str) -> int:
    offset = parse_whole_number(text)
    if offset is None:
        raise invalid_query("You must pass an integer offset greater than or equal to 0.")
    return offset


def _parse_order(entity_type: EntityType, text: str | None) -> tuple[str, ...]:
    order_by = tuple(text.split(",")) if text else ()
    for name in order_by:
        if name.removeprefix("-") not in _sort_keys(entity_type):
            raise invalid_query(f"{name} is not a valid ordering parameter.")
    return order_by


def _parse_modified_since(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = parse_date(text)
    if moment is None:
        raise invalid_query(f"{text} is not a valid date for modifiedSince.")
    return moment
