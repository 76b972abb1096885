"""What is indexed of an entity, as one checksum: equal checksums need no second indexing."""

import hashlib
import json
from collections.abc import Iterable

from shared.models.chunk import Chunk
from shared.text.chunking import TEXT_VERSION

_FIRST_TEXT_VERSION = 1


def content_checksum(chunks: Iterable[Chunk], text_version: int = TEXT_VERSION) -> str:
    """Return the sha256, in hex, of all of an entity's chunks, whatever their order.

    The path of the raw object is left out: it differs from run to run though nothing changed. An
    entity without chunks has a checksum too: that it has no text is something to know. So has the
    version of text processing; the first one leaves the checksums of earlier releases as they are.
    """
    described = sorted(
        json.dumps(
            chunk.model_dump(exclude={"metadata": {"source_path"}}),
            sort_keys=True,
            ensure_ascii=True,
            separators=(",", ":"),
        )
        for chunk in chunks
    )
    if text_version != _FIRST_TEXT_VERSION:
        described.insert(0, f"text version {text_version}")
    return hashlib.sha256("\n".join(described).encode()).hexdigest()
