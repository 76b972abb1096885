"""What all contracts share: strictness, the names that appear in keys, and words for mistakes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

CorpusName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Safe in S3 keys, SSM names and query strings."""

RunId = Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{8}$")]
"""UTC start time and a hash of what asked for the run: `20261123T060000Z-1a2b3c4d`."""

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,199}$")]
"""`<endpoint>-<number>`, unique in its run and safe in keys."""

DEFAULT_RESULTS = 5
MAXIMUM_RESULTS = 50
"""How many results one request gets, and may ask for."""


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


def field_problems(error: ValidationError, whole: str) -> str:
    """Name each wrong field and say what is wrong, never with its value.

    `whole` stands for the document itself, where that is wrong as a whole.
    """
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or whole}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
