"""Marvel's six entity types as they come over the wire.

Lenient where real answers are odd: lists and texts may be null, numbers may come as text or the
other way round, and unknown fields are ignored. Strict where a wrong value would mislead: ids.
Field names and types: developer.marvel.com/documentation/entity_types.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


def _text(value: Any) -> Any:
    return "" if value is None else value


def _list(value: Any) -> Any:
    return [] if value is None else value


def _object(value: Any) -> Any:
    # PHP writes an empty object as an empty list.
    return None if value in ("", []) else value


Text = Annotated[str, BeforeValidator(_text)]
Identity = Annotated[int, Field(strict=True, ge=0)]
# JSON has no infinity and no NaN: what is written of an entity would hold null in their place.
Finite = Annotated[float, Field(allow_inf_nan=False)]
Number = Annotated[int | Finite | None, BeforeValidator(_object)]
WholeNumber = Annotated[int | None, BeforeValidator(_object)]


class WireModel(BaseModel):
    """Base of all wire models: camelCase names, unknown fields ignored."""

    model_config = ConfigDict(
        extra="ignore", alias_generator=to_camel, coerce_numbers_to_str=True, frozen=True
    )


class Link(WireModel):
    """A web address and what it is for."""

    type: Text = ""
    url: Text = ""


class Image(WireModel):
    """An image's address without its extension, and the extension."""

    path: Text = ""
    extension: Text = ""


class Reference(WireModel):
    """Another entity: its API address, name, and a role (creators) or type (stories)."""

    resource_uri: Annotated[Text, Field(alias="resourceURI")] = ""
    name: Text = ""
    role: Text = ""
    type: Text = ""


class Collection(WireModel):
    """Related entities: at most 20 `items` of the `available` ones."""

    available: WholeNumber = 0
    items: Annotated[list[Reference], BeforeValidator(_list)] = []


class TextObject(WireModel):
    """A text about a comic, such as its solicitation."""

    type: Text = ""
    text: Text = ""


class TypedDate(WireModel):
    """A date of a comic, such as `onsaleDate`."""

    type: Text = ""
    date: Text = ""


class TypedPrice(WireModel):
    """A price of a comic, such as `printPrice`, in US dollars."""

    type: Text = ""
    price: Number = None


MaybeReference = Annotated[Reference | None, BeforeValidator(_object)]
References = Annotated[list[Reference], BeforeValidator(_list)]
MaybeCollection = Annotated[Collection | None, BeforeValidator(_object)]


class WireEntity(WireModel):
    """What all six types have, or may have."""

    id: Identity
    title: Text = ""
    description: Text = ""
    modified: Text = ""
    urls: Annotated[list[Link], BeforeValidator(_list)] = []
    thumbnail: Annotated[Image | None, BeforeValidator(_object)] = None


class WireCharacter(WireEntity):
    """A character."""

    name: Text = ""
    comics: MaybeCollection = None
    series: MaybeCollection = None
    stories: MaybeCollection = None
    events: MaybeCollection = None


class WireComic(WireEntity):
    """A comic: an issue, a collection, a digital comic."""

    digital_id: WholeNumber = None
    issue_number: Number = None
    variant_description: Text = ""
    isbn: Text = ""
    upc: Text = ""
    diamond_code: Text = ""
    ean: Text = ""
    issn: Text = ""
    format: Text = ""
    page_count: WholeNumber = None
    text_objects: Annotated[list[TextObject], BeforeValidator(_list)] = []
    dates: Annotated[list[TypedDate], BeforeValidator(_list)] = []
    prices: Annotated[list[TypedPrice], BeforeValidator(_list)] = []
    series: MaybeReference = None
    variants: References = []
    collections: References = []
    collected_issues: References = []
    creators: MaybeCollection = None
    characters: MaybeCollection = None
    stories: MaybeCollection = None
    events: MaybeCollection = None


class WireSeries(WireEntity):
    """A series of comics."""

    start_year: WholeNumber = None
    end_year: WholeNumber = None
    rating: Text = ""
    type: Text = ""
    creators: MaybeCollection = None
    characters: MaybeCollection = None
    stories: MaybeCollection = None
    comics: MaybeCollection = None
    events: MaybeCollection = None
    next: MaybeReference = None
    previous: MaybeReference = None


class WireEvent(WireEntity):
    """A story line over several series."""

    start: Text = ""
    end: Text = ""
    creators: MaybeCollection = None
    characters: MaybeCollection = None
    stories: MaybeCollection = None
    comics: MaybeCollection = None
    series: MaybeCollection = None
    next: MaybeReference = None
    previous: MaybeReference = None


class WireStory(WireEntity):
    """A story inside a comic: a cover, an interior story."""

    type: Text = ""
    creators: MaybeCollection = None
    characters: MaybeCollection = None
    series: MaybeCollection = None
    comics: MaybeCollection = None
    events: MaybeCollection = None
    original_issue: MaybeReference = None


class WireCreator(WireEntity):
    """A person who made comics."""

    first_name: Text = ""
    middle_name: Text = ""
    last_name: Text = ""
    suffix: Text = ""
    full_name: Text = ""
    comics: MaybeCollection = None
    series: MaybeCollection = None
    stories: MaybeCollection = None
    events: MaybeCollection = None
