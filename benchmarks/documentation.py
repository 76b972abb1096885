"""Real texts to measure with, of any number up to some 100,000: the AWS documentation in botocore.

The operations are the corpus of `scripts.build_botocore_corpus`; the descriptions of parameters
follow, each a separate entity. Passages go through the chunking of the pipeline, none comes
twice, and the entities are shuffled once, so that the first 10,000 are a fair sample of all.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from botocore.loaders import Loader

from scripts.build_botocore_corpus import Record, all_records
from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.records import RecordContext
from shared.models.chunk import Chunk
from shared.models.corpus import ChunkingSettings
from shared.models.mapping import FieldMapping
from shared.text.chunking import chunk_entity, passage_for_embedding
from shared.text.html import html_to_text
from shared.text.sentences import split_sentences

_MAPPING = FieldMapping(entity_type="operation", metadata={"service": "service"})
_CONTEXT = RecordContext("documentation", "20260101T000000Z-benchmark")
_RAW_KEY = "raw/documentation/benchmark.jsonl.gz"
# Every 40th operation is kept out of the index: its first sentence is a query.
_OPERATIONS_PER_QUERY = 40
_SEED = 7


@dataclass(frozen=True, slots=True)
class Documentation:
    """Chunks to index, and questions of records that are not among them."""

    chunks: list[Chunk]
    queries: list[str]


def read_documentation(count: int, queries: int) -> Documentation:
    """Return `count` chunks, or as many as there are, and up to `queries` questions.

    Which chunks are taken depends on `count`; ask for all that a run needs and cut.
    """
    loader = Loader()
    operations = list(all_records(loader))
    held_out = operations[::_OPERATIONS_PER_QUERY]
    kept = (
        record for number, record in enumerate(operations) if number % _OPERATIONS_PER_QUERY != 0
    )
    records = chain(kept, parameter_records(loader))
    entities: dict[str, list[Chunk]] = {}
    for chunk in islice(_distinct_chunks(records), count):
        entities.setdefault(chunk.parent, []).append(chunk)
    shuffled = list(entities.values())
    random.Random(_SEED).shuffle(shuffled)  # noqa: S311 - an order, no secret
    chunks = [chunk for entity in shuffled for chunk in entity]
    questions = [next(iter(split_sentences(record["text"])), "") for record in held_out]
    distinct = list(dict.fromkeys(question for question in questions if question))
    random.Random(_SEED).shuffle(distinct)  # noqa: S311 - an order, no secret
    return Documentation(chunks, distinct[:queries])


def parameter_records(loader: Loader) -> Iterator[Record]:
    """Yield a record for each described member of each structure of each service."""
    for service in sorted(loader.list_available_services("service-2")):
        model = loader.load_service_model(service, "service-2")
        metadata = model["metadata"]
        title = metadata.get("serviceFullName") or metadata["serviceId"]
        for name, shape in sorted(model.get("shapes", {}).items()):
            for member, described in sorted(shape.get("members", {}).items()):
                text = html_to_text(described.get("documentation"))
                if text:
                    yield {
                        "id": f"{service}.{name}.{member}",
                        "title": f"{title}: {name}.{member}",
                        "text": text,
                        "service": service,
                    }


def _distinct_chunks(records: Iterator[Record]) -> Iterator[Chunk]:
    seen: set[str] = set()
    settings = ChunkingSettings()
    for record in records:
        entity = canonicalise_mapped(_MAPPING, "jsonl", record, _CONTEXT).entity
        for chunk in chunk_entity(entity, _RAW_KEY, settings):
            passage = passage_for_embedding(chunk)
            if passage not in seen:
                seen.add(passage)
                yield chunk
