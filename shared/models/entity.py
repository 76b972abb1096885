"""Canonical entities, the edges between them, and their versions in indexes."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field

from shared.models.base import Contract
from shared.models.forms import form

Scalar = str | int | float | bool | None

NO_CONTENT = ""
"""The checksum of an entity that was deleted."""


class Note(Contract):
    """A short remark tied to the page it comes from."""

    text: Annotated[str, Field(max_length=240)]
    url: str


class Entity(Contract):
    """One thing of a corpus; a pure function of its raw line and the code version.

    `description` is plain text and stays empty where the source has none. `modified` is ISO 8601
    when the source's date could be read, the source's own text otherwise (then `warnings` says
    so), and None when the source has none. `fields` are those of its type, which a search
    can filter by; stored entities have them under the name `extras`.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    entity_type: Annotated[
        str,
        Field(
            pattern=form(
                r"^[a-z][a-z0-9_]{0,49}$",
                "1 to 50 lower-case letters, digits and underscores, beginning with a letter",
            )
        ),
    ]
    source: str
    source_id: Annotated[str, Field(min_length=1, max_length=400)]
    title: str
    description: str
    modified: str | None = None
    urls: tuple[str, ...] = ()
    thumbnail: str | None = None
    attribution: str | None = None
    schema_version: int = 1
    ingest_run_id: str
    record_checksum: str
    fields: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("fields", "extras"),
        serialization_alias="extras",
    )
    notes: tuple[Note, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """`<type>:<source id>`, unique in a corpus."""
        return f"{self.entity_type}:{self.source_id}"


class Edge(Contract):
    """A relation such as `character_appears_in_comic`; the ends are entity keys."""

    relation: Annotated[
        str,
        Field(
            pattern=form(
                r"^[a-z][a-z_]{0,79}$",
                "1 to 80 lower-case letters and underscores, beginning with a letter",
            )
        ),
    ]
    from_key: str
    to_key: str


class Reject(Contract):
    """A raw line that could not become an entity: where, why, and the field path.

    `is_left_out` says that it was not meant to: nothing is wrong with it.
    """

    line_number: Annotated[int, Field(ge=1)]
    reason: str
    field_path: str | None = None
    is_left_out: bool = False
    raw: Annotated[str, Field(max_length=2000)]


@dataclass(frozen=True, slots=True)
class EntityVersion:
    """A version of an entity in an index; the greater `(seq, origin)` is the newer.

    `seq` is when its run began, `origin` the job that made its shard. `checksum` is that of what
    is indexed of it (`shared.index.shard.content`), `NO_CONTENT` when it was deleted.
    """

    seq: int
    origin: str
    checksum: str

    @property
    def has_content(self) -> bool:
        """Whether the entity was not deleted."""
        return self.checksum != NO_CONTENT

    @property
    def order(self) -> tuple[int, str]:
        """What versions are compared by."""
        return self.seq, self.origin
