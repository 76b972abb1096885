"""The compact form in which the demo corpus is written: `corpus/<type>.json`.

Entities name each other by `key`; ids, addresses and the lists on the other side of a relation are
made by `expansion.py`. Ids stay as they are once written: they are the identity of an entity.
"""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from examples.marvel.wire import ENTITY_TYPES

CORPUS_DIRECTORY: Final = Path(__file__).parents[1] / "corpus"

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
EntityId = Annotated[int, Field(ge=1)]


class CorpusError(Exception):
    """A corpus file cannot be used; the message names the file and the place in it."""


class Authored(BaseModel):
    """What every authored entity has.

    `modified` is a wire date, for entities whose odd or particular date matters; the others get
    one made from their id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: EntityId
    key: Key
    modified: str | None = None


class AuthoredCharacter(Authored):
    """A character or a team."""

    name: str
    description: str = ""


class AuthoredCreator(Authored):
    """A person; creators have no description."""

    first_name: str
    middle_name: str = ""
    last_name: str = ""
    suffix: str = ""

    @property
    def full_name(self) -> str:
        """The names that are there, joined by spaces."""
        names = (self.first_name, self.middle_name, self.last_name, self.suffix)
        return " ".join(name for name in names if name)


class AuthoredSeries(Authored):
    """A series; `title` is without years. `previous` is the series it continues."""

    title: str
    start_year: int
    end_year: int
    description: str | None = None
    rating: str = ""
    type: str = ""
    previous: Key | None = None

    @property
    def full_title(self) -> str:
        """As the API titles series: `Avengers (1963 - 1996)`, `Vision (2015)`."""
        same_year = self.start_year == self.end_year
        years = str(self.start_year) if same_year else f"{self.start_year} - {self.end_year}"
        return f"{self.title} ({years})"


class AuthoredEvent(Authored):
    """An event; the file's order is the order of `previous` and `next`."""

    title: str
    description: str
    start: date | None
    end: date | None
    characters: tuple[Key, ...] = ()


class AuthoredComic(Authored):
    """An issue or a collection.

    `title` is made of series and number when absent. `creators` maps a creator's key to the role,
    in the spelling the API is to show. `solicitation` becomes a text object.
    """

    series: Key
    number: int | float
    title: str | None = None
    description: str | None
    on_sale: date | None
    creators: dict[Key, str]
    characters: tuple[Key, ...] = ()
    events: tuple[Key, ...] = ()
    format: str = "Comic"
    pages: int = 32
    price: float
    digital_id: int = 0
    isbn: str | int = ""
    upc: str = ""
    diamond_code: str = ""
    solicitation: str | None = None
    variant_of: Key | None = None
    variant_description: str = ""
    collects: tuple[Key, ...] = ()


class AuthoredStory(Authored):
    """A story or a cover; `comic` is where it was first printed, `reprinted_in` where again.

    Characters and creators are those of the comic unless the story names its own.
    """

    title: str
    comic: Key
    reprinted_in: tuple[Key, ...] = ()
    type: str = "story"
    description: str = ""
    characters: tuple[Key, ...] | None = None
    creators: dict[Key, str] | None = None


class AuthoredCorpus(BaseModel):
    """All six files; lists keep the files' order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    characters: tuple[AuthoredCharacter, ...]
    comics: tuple[AuthoredComic, ...]
    series: tuple[AuthoredSeries, ...]
    events: tuple[AuthoredEvent, ...]
    creators: tuple[AuthoredCreator, ...]
    stories: tuple[AuthoredStory, ...]

    @field_validator("*")
    @classmethod
    def _are_distinct(cls, entities: tuple[Authored, ...]) -> tuple[Authored, ...]:
        for name in ("id", "key"):
            counts = Counter(getattr(entity, name) for entity in entities)
            value, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
            if count > 1:
                raise ValueError(f"{name} {value} stands for {count} entities")
        return entities


def load_authored(directory: Path = CORPUS_DIRECTORY) -> AuthoredCorpus:
    """Read the six files; raises CorpusError naming the first file that cannot be used."""
    content = {name: _read(directory / f"{name}.json") for name in ENTITY_TYPES}
    try:
        return AuthoredCorpus.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        file, *place = (str(part) for part in first["loc"])
        raise CorpusError(f"{file}.json: {'.'.join(place)}: {first['msg']}") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path.name}: {error}") from error
