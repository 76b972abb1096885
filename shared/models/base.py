"""What all contracts share: strictness and the names that appear in keys."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.models.forms import form

CorpusName = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^[a-z0-9][a-z0-9-]{0,62}$",
            "1 to 63 lower-case letters, digits and hyphens, such as marvel-comics",
        )
    ),
]
"""Safe in S3 keys, SSM names and query strings."""

RunId = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^\d{8}T\d{6}Z-[0-9a-f]{8}$", "the id of a run, such as 20261123T060000Z-1a2b3c4d"
        )
    ),
]
"""UTC start time and a hash of what asked for the run: `20261123T060000Z-1a2b3c4d`."""

PageId = Annotated[
    str,
    StringConstraints(
        pattern=form(r"^[a-z0-9][a-z0-9_.-]{0,199}$", "the id of a page, such as characters-000001")
    ),
]
"""`<endpoint>-<number>`, unique in its run and safe in keys."""

DEFAULT_RESULTS = 5
MAXIMUM_RESULTS = 100
"""How many results one request gets, and may ask for."""

MAXIMUM_PASSAGES = 5
"""How many passages of one entity a result may have.

In `/retrieve`, `/chat`, the command and the messages between groups of shards alike.
"""


class Contract(BaseModel):
    """Immutable, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredRecord(BaseModel):
    """Immutable, and passes over fields that it does not know.

    For what is kept and read by other releases: a command that is older than the deployment shows
    what it knows. What is read to be written back is a `Contract` instead, as the rest would be
    lost.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


def without_absent(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The members of a document without those of these names that are None."""
    return {
        name: value for name, value in document.items() if name not in names or value is not None
    }
