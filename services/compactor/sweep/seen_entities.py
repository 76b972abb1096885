"""Which entities a run saw in the source, as the pages that it derived say."""

from collections.abc import Iterator

from pydantic import ValidationError

from shared.errors import CorruptObjectError
from shared.models.entity import Entity
from shared.models.jobs import PageJob
from shared.runs.run_reader import RunReader
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore


def seen_keys(store: ObjectStore, runs: RunReader, run_id: str) -> Iterator[str]:
    """Yield the key of each entity of each page of a run.

    Raises:
        NotFoundError: the entities of a page are gone.
        CorruptObjectError: they cannot be read; names the key.
    """
    for page in runs.pages(run_id):
        key = keys.entities_key(PageJob.model_validate_json(page["job"]))
        for line in jsonl.decode_lines(store.get(key).data, key):
            try:
                yield Entity.model_validate_json(line).key
            except ValidationError as error:
                raise CorruptObjectError(
                    f"{key} holds a line that is no entity ({error.error_count()} problems); "
                    "derive the page again"
                ) from None
