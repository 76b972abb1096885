"""Which part of a record makes each part of an entity, as JMESPath expressions."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.models.base import Contract
from shared.models.expressions import Expression
from shared.models.forms import form

EntityType = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^[a-z][a-z0-9_]{0,49}$",
            "1 to 50 lower-case letters, digits and underscores, beginning with a letter",
        )
    ),
]
MetadataName = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$",
            "1 to 64 letters, digits, _ and -, beginning with a letter or _",
        )
    ),
]


class FieldMapping(Contract):
    """How a record of a generic source becomes an entity; each field is an expression over it.

    `entity_type` is what the records are, unless `type` gives the type of each, which is written
    in small letters, digits and `_`. `url` and `metadata` may give lists. `modified` may be a
    date, or a number of seconds or milliseconds since 1970. `text_format` says whether title and
    text are markup to be stripped.
    """

    id: Expression = "id"
    title: Expression = "title"
    text: Expression = "text"
    url: Expression | None = "url"
    modified: Expression | None = None
    type: Expression | None = None
    entity_type: EntityType = "document"
    text_format: Literal["plain", "html"] = "plain"
    metadata: Annotated[dict[MetadataName, Expression], Field(max_length=50)] = Field(
        default_factory=dict
    )
