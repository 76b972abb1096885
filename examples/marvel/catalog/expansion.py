"""Expands the authored corpus into wire format: same keys, key order and types as the API."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from examples.marvel.catalog.authored import (
    Authored,
    AuthoredCharacter,
    AuthoredComic,
    AuthoredCorpus,
    AuthoredCreator,
    AuthoredEvent,
    AuthoredSeries,
    AuthoredStory,
    CorpusError,
    load_authored,
)
from examples.marvel.catalog.catalog import Catalog
from examples.marvel.catalog.relations import Relations
from examples.marvel.wire import (
    LINK_BASE,
    EntityType,
    WireEntity,
    nested_list,
    resource_uri,
    slug,
    wire_date,
    wire_day,
)

_FIRST_MODIFIED: Final = datetime(2013, 6, 21, 15, 10, tzinfo=UTC)
_STEP: Final = timedelta(days=13, hours=7, minutes=11, seconds=3)
_STEPS: Final = 300
_STRIDE: Final = 37
_FIRST_YEAR_WITH_FINAL_ORDERS: Final = 2000
_NO_IMAGE: Final = "http://i.annihil.us/u/prod/marvel/i/mg/b/40/image_not_available"


def demo_catalog() -> Catalog:
    """The demo corpus as the gateway serves it; raises CorpusError when a file is unusable."""
    return expand(load_authored())


def expand(corpus: AuthoredCorpus) -> Catalog:
    """Make every entity of an authored corpus; raises CorpusError for a reference to nothing."""
    return _Expansion(corpus).catalog()


def comic_title(comic: AuthoredComic, series: AuthoredSeries) -> str:
    """The comic's own title, or `<series> (<year>) #<number>`."""
    return comic.title or f"{series.title} ({series.start_year}) #{comic.number:g}"


class _Expansion:
    """The authored corpus with its names and relations at hand."""

    def __init__(self, corpus: AuthoredCorpus) -> None:
        self._corpus = corpus
        self._relations = Relations(corpus)
        self._series = {series.key: series for series in corpus.series}
        self._ids: dict[EntityType, dict[str, int]] = {}
        self._names: dict[EntityType, dict[str, str]] = {}
        self._index("characters", corpus.characters, [one.name for one in corpus.characters])
        self._index("series", corpus.series, [one.full_title for one in corpus.series])
        self._index("events", corpus.events, [one.title for one in corpus.events])
        self._index("creators", corpus.creators, [one.full_name for one in corpus.creators])
        self._index("stories", corpus.stories, [one.title for one in corpus.stories])
        titles = [comic_title(one, self._series[one.series]) for one in corpus.comics]
        self._index("comics", corpus.comics, titles)
        self._story_types = {story.key: _item_type(story.type) for story in corpus.stories}

    def catalog(self) -> Catalog:
        corpus = self._corpus
        return Catalog(
            {
                "characters": map(self._character, corpus.characters),
                "comics": map(self._comic, corpus.comics),
                "series": map(self._one_series, corpus.series),
                "events": map(self._event, corpus.events),
                "creators": map(self._creator, corpus.creators),
                "stories": map(self._story, corpus.stories),
            }
        )

    def _index(self, kind: EntityType, entities: Iterable[Authored], names: list[str]) -> None:
        keys_and_ids = [(entity.key, entity.id) for entity in entities]
        self._ids[kind] = dict(keys_and_ids)
        self._names[kind] = {key: name for (key, _), name in zip(keys_and_ids, names, strict=True)}

    def _reference(self, kind: EntityType, key: str) -> WireEntity:
        if key not in self._ids[kind]:
            raise CorpusError(f"{kind}: there is no {key}")
        uri = resource_uri(kind, self._ids[kind][key])
        return {"resourceURI": uri, "name": self._names[kind][key]}

    def _list(self, kind: EntityType, entity: Authored, other: EntityType) -> WireEntity:
        items = []
        for key, role in self._relations.linked((kind, entity.key), other):
            item = self._reference(other, key)
            if other == "creators":
                item["role"] = role
            elif other == "stories":
                item["type"] = self._story_types[key]
            items.append(item)
        items.sort(key=lambda item: (item["name"], item["resourceURI"]))
        return nested_list(f"{resource_uri(kind, entity.id)}/{other}", items)

    def _character(self, character: AuthoredCharacter) -> WireEntity:
        page = f"{LINK_BASE}/comics/characters/{character.id}/{slug(character.name)}"
        return {
            "id": character.id,
            "name": character.name,
            "description": character.description,
            "modified": _modified(character),
            "thumbnail": _thumbnail(),
            "resourceURI": resource_uri("characters", character.id),
            "comics": self._list("characters", character, "comics"),
            "series": self._list("characters", character, "series"),
            "stories": self._list("characters", character, "stories"),
            "events": self._list("characters", character, "events"),
            "urls": [
                _link("detail", f"{LINK_BASE}/characters/{character.id}/{slug(character.name)}"),
                _link("comiclink", page),
            ],
        }

    def _comic(self, comic: AuthoredComic) -> WireEntity:
        return {
            "id": comic.id,
            "digitalId": comic.digital_id,
            "title": self._names["comics"][comic.key],
            "issueNumber": comic.number,
            "variantDescription": comic.variant_description,
            "description": comic.description,
            "modified": _modified(comic),
            "isbn": comic.isbn,
            "upc": comic.upc,
            "diamondCode": comic.diamond_code,
            "ean": "",
            "issn": "",
            "format": comic.format,
            "pageCount": comic.pages,
            "textObjects": _text_objects(comic),
            "resourceURI": resource_uri("comics", comic.id),
            "urls": self._comic_links(comic),
            "series": self._reference("series", comic.series),
            "variants": self._variants(comic),
            "collections": self._collections(comic),
            "collectedIssues": [self._reference("comics", key) for key in comic.collects],
            "dates": _comic_dates(comic.on_sale),
            "prices": [{"type": "printPrice", "price": comic.price}],
            "thumbnail": _thumbnail(),
            "images": [],
            "creators": self._list("comics", comic, "creators"),
            "characters": self._list("comics", comic, "characters"),
            "stories": self._list("comics", comic, "stories"),
            "events": self._list("comics", comic, "events"),
        }

    def _comic_links(self, comic: AuthoredComic) -> list[WireEntity]:
        title = slug(self._names["comics"][comic.key])
        links = [_link("detail", f"{LINK_BASE}/comics/issue/{comic.id}/{title}")]
        if comic.digital_id:
            reader = f"{LINK_BASE}/digitalcomics/view.htm?iid={comic.digital_id}"
            links.append(_link("reader", reader))
        return links

    def _variants(self, comic: AuthoredComic) -> list[WireEntity]:
        """The original of a variant and the variants of an original."""
        return [
            self._reference("comics", other.key)
            for other in self._corpus.comics
            if other.key == comic.variant_of or other.variant_of == comic.key
        ]

    def _collections(self, comic: AuthoredComic) -> list[WireEntity]:
        return [
            self._reference("comics", other.key)
            for other in self._corpus.comics
            if comic.key in other.collects
        ]

    def _one_series(self, series: AuthoredSeries) -> WireEntity:
        page = f"{LINK_BASE}/comics/series/{series.id}/{slug(series.full_title)}"
        following = [one.key for one in self._corpus.series if one.previous == series.key]
        return {
            "id": series.id,
            "title": series.full_title,
            "description": series.description,
            "resourceURI": resource_uri("series", series.id),
            "urls": [_link("detail", page)],
            "startYear": series.start_year,
            "endYear": series.end_year,
            "rating": series.rating,
            "type": series.type,
            "modified": _modified(series),
            "thumbnail": _thumbnail(),
            "creators": self._list("series", series, "creators"),
            "characters": self._list("series", series, "characters"),
            "stories": self._list("series", series, "stories"),
            "comics": self._list("series", series, "comics"),
            "events": self._list("series", series, "events"),
            "next": self._reference("series", following[0]) if following else None,
            "previous": self._reference("series", series.previous) if series.previous else None,
        }

    def _event(self, event: AuthoredEvent) -> WireEntity:
        order = [one.key for one in self._corpus.events]
        place = order.index(event.key)
        page = f"{LINK_BASE}/comics/events/{event.id}/{slug(event.title)}"
        return {
            "id": event.id,
            "title": event.title,
            "description": event.description,
            "resourceURI": resource_uri("events", event.id),
            "urls": [_link("detail", page)],
            "modified": _modified(event),
            "start": f"{event.start} 00:00:00" if event.start else None,
            "end": f"{event.end} 00:00:00" if event.end else None,
            "thumbnail": _thumbnail(),
            "creators": self._list("events", event, "creators"),
            "characters": self._list("events", event, "characters"),
            "stories": self._list("events", event, "stories"),
            "comics": self._list("events", event, "comics"),
            "series": self._list("events", event, "series"),
            "next": (
                self._reference("events", order[place + 1]) if place + 1 < len(order) else None
            ),
            "previous": self._reference("events", order[place - 1]) if place else None,
        }

    def _creator(self, creator: AuthoredCreator) -> WireEntity:
        page = f"{LINK_BASE}/comics/creators/{creator.id}/{slug(creator.full_name)}"
        return {
            "id": creator.id,
            "firstName": creator.first_name,
            "middleName": creator.middle_name,
            "lastName": creator.last_name,
            "suffix": creator.suffix,
            "fullName": creator.full_name,
            "modified": _modified(creator),
            "thumbnail": _thumbnail(),
            "resourceURI": resource_uri("creators", creator.id),
            "comics": self._list("creators", creator, "comics"),
            "series": self._list("creators", creator, "series"),
            "stories": self._list("creators", creator, "stories"),
            "events": self._list("creators", creator, "events"),
            "urls": [_link("detail", page)],
        }

    def _story(self, story: AuthoredStory) -> WireEntity:
        return {
            "id": story.id,
            "title": story.title,
            "description": story.description,
            "resourceURI": resource_uri("stories", story.id),
            "type": story.type,
            "modified": _modified(story),
            "thumbnail": None,
            "creators": self._list("stories", story, "creators"),
            "characters": self._list("stories", story, "characters"),
            "series": self._list("stories", story, "series"),
            "comics": self._list("stories", story, "comics"),
            "events": self._list("stories", story, "events"),
            "originalIssue": self._reference("comics", story.comic),
        }


def _modified(entity: Authored) -> str:
    """The authored date, or one that depends on nothing but the id.

    The dates lie within eleven years; the stride, which has no factor in common with the steps,
    keeps them distinct but not in the order of the ids.
    """
    return entity.modified or wire_date(_FIRST_MODIFIED + (entity.id * _STRIDE % _STEPS) * _STEP)


def _item_type(story_type: str) -> str:
    """Lists call `interiorStory` what the story itself calls `story`."""
    return "interiorStory" if story_type == "story" else story_type


def _thumbnail() -> WireEntity:
    return {"path": _NO_IMAGE, "extension": "jpg"}


def _link(link_type: str, url: str) -> WireEntity:
    return {"type": link_type, "url": url}


def _text_objects(comic: AuthoredComic) -> list[WireEntity]:
    if comic.solicitation is None:
        return []
    return [{"type": "issue_solicit_text", "language": "en-us", "text": comic.solicitation}]


def _comic_dates(on_sale: date | None) -> list[WireEntity]:
    """Final orders close 23 days before sale; the API has no such date of old comics."""
    has_orders = on_sale is not None and on_sale.year >= _FIRST_YEAR_WITH_FINAL_ORDERS
    orders_close = on_sale - timedelta(days=23) if on_sale and has_orders else None
    return [
        {"type": "onsaleDate", "date": wire_day(on_sale)},
        {"type": "focDate", "date": wire_day(orders_close)},
    ]
