"""Names that a person gave, checked before they become part of a key."""

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidInputError
from shared.models.base import CorpusName

_CORPUS_NAME: TypeAdapter[str] = TypeAdapter(CorpusName)


def require_corpus_name(name: str) -> None:
    """Make sure that a corpus can have this name.

    Raises:
        InvalidInputError: none can.
    """
    try:
        _CORPUS_NAME.validate_python(name)
    except ValidationError:
        raise InvalidInputError(
            f"{name!r} names no corpus: lower-case letters, digits and hyphens do"
        ) from None
