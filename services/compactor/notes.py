"""Notes that a step of maintenance leaves for its repetition, or for the next step."""

from typing import TypeVar

from pydantic import ValidationError

from shared.errors import CorruptObjectError, NotFoundError
from shared.models.base import Contract
from shared.storage.object_store import ObjectStore

NoteT = TypeVar("NoteT", bound=Contract)

_CONTENT_TYPE = "application/json"


def write_note(store: ObjectStore, key: str, note: Contract) -> None:
    """Write a note, over an earlier one of the same step if need be."""
    store.put(key, note.model_dump_json().encode(), content_type=_CONTENT_TYPE)


def read_note(store: ObjectStore, key: str, note_type: type[NoteT]) -> NoteT | None:
    """Return a note, or None when there is none.

    Raises:
        CorruptObjectError: it cannot be read; names the key.
    """
    try:
        data = store.get(key).data
    except NotFoundError:
        return None
    try:
        return note_type.model_validate_json(data)
    except ValidationError as error:
        raise CorruptObjectError(
            f"{key} is no {note_type.__name__} ({error.error_count()} problems); delete it"
        ) from None
