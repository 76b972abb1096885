"""Sentence-aware chunking: a pure function of an entity and the chunking settings."""

from collections.abc import Iterator

from shared.models.chunk import Chunk, ChunkMetadata
from shared.models.corpus import ChunkingSettings
from shared.models.entity import Entity
from shared.text.sentences import split_sentences

TEXT_VERSION = 1
"""The version of how an entity becomes passages, and a passage what is embedded.

Raise it with every change after which the same entity is cut, or a passage is embedded, in another
way: it is part of what is compared to find an entity unchanged, so that the next full run embeds
everything again.
"""


def chunk_entity(entity: Entity, source_path: str, settings: ChunkingSettings) -> list[Chunk]:
    """Cut an entity's description into chunks; the title stands in where there is none.

    `source_path` is the key of the raw object the entity came from. An entity with neither
    description nor title makes no chunk.
    """
    text = entity.description.strip() or entity.title.strip()
    metadata = ChunkMetadata(
        entity_type=entity.entity_type,
        source_id=entity.source_id,
        title=entity.title,
        urls=entity.urls,
        modified=entity.modified,
        attribution=entity.attribution,
        source_path=source_path,
        fields=entity.fields,
    )
    chunks: list[Chunk] = []
    for number, (passage, overlaps) in enumerate(split_passages(text, settings), start=1):
        chunks.append(
            Chunk(
                chunk_id=f"{entity.key}-{number:03d}",
                parent=entity.key,
                text=passage,
                overlap_with=chunks[-1].chunk_id if overlaps else None,
                metadata=metadata,
            )
        )
    return chunks


def passage_for_embedding(chunk: Chunk) -> str:
    """Return what is embedded for a chunk: its text under its entity's title.

    A passage from the middle of a text often says "he" or "the series"; the title says who.
    """
    title = chunk.metadata.title.strip()
    return chunk.text if not title or title in chunk.text else f"{title}: {chunk.text}"


def split_passages(text: str, settings: ChunkingSettings) -> Iterator[tuple[str, bool]]:
    """Yield passages and whether each begins with an overlap of the one before.

    A passage holds whole sentences up to `target_characters` (plus the overlap before them); only
    a sentence that is longer by itself is cut, at white space where it has any.
    """
    target = settings.target_characters
    pieces = [piece for s in split_sentences(text) for piece in _cut(s, target)]
    current: list[str] = []
    size = 0
    previous = ""
    for piece in pieces:
        if current and size + 1 + len(piece) > target:
            passage = " ".join(current)
            yield _with_overlap(previous, passage, settings.overlap_characters)
            previous, current, size = passage, [], 0
        size += len(piece) + (1 if current else 0)
        current.append(piece)
    if current:
        yield _with_overlap(previous, " ".join(current), settings.overlap_characters)


def _cut(sentence: str, limit: int) -> Iterator[str]:
    """Yield the pieces of a sentence; by position, as to copy what is left each time is slow."""
    start, end = 0, len(sentence)
    while end - start > limit:
        space = _last_space(sentence, start, limit)
        yield sentence[start:space].rstrip()
        start = space
        while start < end and sentence[start].isspace():
            start += 1
    if start < end:
        yield sentence[start:]


def _last_space(text: str, start: int, limit: int) -> int:
    """Return where to cut: at the last white space in the second half, else at the limit."""
    for position in range(start + limit, start + limit // 2, -1):
        if text[position].isspace():
            return position
    return start + limit


def _with_overlap(previous: str, passage: str, overlap: int) -> tuple[str, bool]:
    tail = _tail(previous, overlap)
    return (f"{tail} {passage}", True) if tail else (passage, False)


def _tail(text: str, limit: int) -> str:
    """Return the last whole words of `text` that fit in `limit` characters."""
    if limit == 0 or not text:
        return ""
    if len(text) <= limit:
        return text
    tail = text[-limit:]
    if not text[-limit - 1].isspace():
        space = next((i for i, character in enumerate(tail) if character.isspace()), None)
        if space is None:
            return ""
        tail = tail[space:]
    return tail.strip()
