"""Raw records of every kind of source: whatever is in a line, it becomes an entity or a reject."""

import json
from functools import partial

from pydantic import ValidationError

from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.page import derive_page
from shared.canonical.records import Canonicaliser, RecordContext
from shared.index.shard.content import content_checksum
from shared.models.corpus import ChunkingSettings
from shared.models.entity import Entity
from shared.models.mapping import FieldMapping
from shared.sources.marvel.entities import canonicalise_marvel
from shared.sources.mediawiki.entities import canonicalise_wiki_page
from shared.sources.sitemap.entities import canonicalise_web_page
from shared.storage.jsonl import encode_models
from shared.text.chunking import chunk_entity, passage_for_embedding
from tests.fuzz.target import Target, first_line, text_of

RUN = "20261123T060000Z-1a2b3c4d"
ENDPOINTS = ("characters", "comics", "series", "events", "stories", "creators")
# Long enough for both paths of what reads pages, which take the most time of all.
LONGEST_PAGE_BYTES = 3000


def derived(canonicalise: Canonicaliser, line: str, endpoint: str = "records") -> None:
    """What is made of a line can be written, read again, chunked and shown to the embedder."""
    page = derive_page([line], canonicalise, RecordContext(endpoint, RUN))
    assert len(page.entities) + len(page.rejects) == 1
    encode_models([*page.entities, *page.edges, *page.rejects])
    for entity in page.entities:
        assert Entity.model_validate_json(entity.model_dump_json()) == entity
        chunks = chunk_entity(entity, "raw/x", ChunkingSettings())
        encode_models(chunks)
        content_checksum(chunks)
        for chunk in chunks:
            passage_for_embedding(chunk).encode()


def mapped_record(data: bytes) -> None:
    """The first line is the mapping, the rest a record."""
    written, record = first_line(data)
    try:
        mapping = FieldMapping.model_validate_json(written)
    except ValidationError:
        return
    derived(partial(canonicalise_mapped, mapping, "jsonl"), text_of(record))


def marvel_record(data: bytes) -> None:
    endpoint = ENDPOINTS[data[0] % len(ENDPOINTS)] if data else ENDPOINTS[0]
    derived(canonicalise_marvel, text_of(data[1:]), endpoint)


def wiki_page(data: bytes) -> None:
    """As a whole record, and as the wikitext of a page."""
    text = text_of(data)
    canonicalise = partial(canonicalise_wiki_page, "article")
    derived(canonicalise, text)
    revision = {"slots": {"main": {"content": text}}, "timestamp": "2024-01-02T03:04:05Z"}
    categories = [{"title": "Kategorie:Roboter"}]
    record = {"pageid": 1, "title": "A", "revisions": [revision], "categories": categories}
    derived(canonicalise, json.dumps(record))


def web_page(data: bytes) -> None:
    """As a whole record, and as the HTML of a page."""
    text = text_of(data)
    canonicalise = partial(canonicalise_web_page, "page")
    derived(canonicalise, text)
    derived(canonicalise, json.dumps({"url": "https://a.example/b?c=d", "html": text}))


TARGETS = {
    "mapped_record": Target(mapped_record, is_json=True),
    "marvel_record": Target(marvel_record, is_json=True),
    "web_page": Target(web_page, maximum_bytes=LONGEST_PAGE_BYTES, is_json=True),
    "wiki_page": Target(wiki_page, maximum_bytes=LONGEST_PAGE_BYTES, is_json=True),
}
