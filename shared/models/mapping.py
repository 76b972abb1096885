"""Which part of a record makes each part of an entity, as JMESPath expressions."""

from typing import Annotated, Literal

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field, StringConstraints

from shared.models.base import Contract

_LONGEST_EXPRESSION = 1000


def _compiled(expression: str) -> str:
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"is no JMESPath expression: {str(error).splitlines()[0]}") from None
    return expression


Expression = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_EXPRESSION),
    AfterValidator(_compiled),
]
"""A JMESPath expression (jmespath.org) over one record, or over one answer."""

EntityType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
MetadataName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class FieldMapping(Contract):
    """How a record of a generic source becomes an entity; each field is an expression over it.

    `entity_type` is what the records are, unless `type` gives the type of each. `url` and
    `metadata` may give lists. `text_format` says whether the text is markup to be stripped.
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
