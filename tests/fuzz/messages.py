"""What lies in queues, in the objects between two stages, and in answers of our functions."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import ValidationError

from services.cli.dead_letter.dead_letter_queue import DeadLetterMessage
from services.cli.dead_letter.messages import (
    SCHEDULE,
    body_of,
    description,
    event_to_send,
    field_lines,
    meaning_of_drop,
)
from shared.errors import (
    CorruptObjectError,
    InvalidInputError,
    InvalidJobError,
    SourceError,
    UltronError,
)
from shared.index.search.group_messages import GroupScope
from shared.index.search.remote_group import RemoteGroup
from shared.index.search.shard_group import GroupQuery
from shared.index.shard.suggestions import Unknown
from shared.messaging.maintenance_stage import parse_maintenance_job
from shared.messaging.stage import job_part, parse_job
from shared.models.chunk import chunk_file_line
from shared.models.entity import Entity
from shared.models.jobs import ChunkJob, DeriveJob, EmbedJob, IndexJob, Job, PageJob
from shared.models.maintenance import maintenance_job
from shared.models.manifest import ModelIdentity
from shared.platform.printing import json_text, printable
from shared.sources.base import FetchedPage
from shared.sources.http_json.step import Step
from shared.sources.raw_object import raw_metadata
from shared.sources.sitemap.walk import Walk
from shared.storage.jsonl import decode_lines, encode_lines
from shared.storage.part_keys import parse_vectors_key
from tests.fuzz.target import Target, text_of

JOBS: tuple[type[Job], ...] = (PageJob, DeriveJob, ChunkJob, EmbedJob, IndexJob)
SCOPE = GroupScope(
    corpus="fuzz",
    model=ModelIdentity(id="fuzz", revision="1", dims=4),
    version=1,
    shard_ids=("0123abcd",),
)


def job(data: bytes) -> None:
    body = text_of(data)
    for job_type in JOBS:
        with suppress(InvalidJobError):
            read = parse_job(body, job_type)
            assert parse_job(read.model_dump_json(), job_type) == read
            assert job_part(read) is None or job_part(read) == getattr(read, "part", None)
            if isinstance(read, PageJob):
                raw_metadata(read, "fuzz", FetchedPage())
    with suppress(InvalidJobError):
        task = parse_maintenance_job(body)
        assert parse_maintenance_job(maintenance_job.dump_json(task).decode()) == task


def json_lines(data: bytes) -> None:
    with suppress(CorruptObjectError):
        list(decode_lines(data, "the-key"))
    lines = [line for line in text_of(data).split("\n") if line.strip()]
    if lines:
        assert list(decode_lines(encode_lines(lines), "the-key")) == lines
    for line in lines:
        with suppress(ValidationError):
            chunk = chunk_file_line.validate_json(line)
            assert chunk_file_line.validate_json(chunk.model_dump_json()) == chunk
        with suppress(ValidationError):
            entity = Entity.model_validate_json(line)
            assert Entity.model_validate_json(entity.model_dump_json()) == entity


def page_query(data: bytes) -> None:
    text = text_of(data)
    with suppress(SourceError):
        walk = Walk.of_query({"walk": text})
        assert Walk.of_query(walk.query()) == walk
        walk.frames[-1].unread(["http://a.example/"])
    with suppress(ValueError, SourceError, RecursionError):
        document = json.loads(text)
        if isinstance(document, dict):
            step = Step.read({name: str(value) for name, value in document.items()})
            assert Step.read(step.query) == step


def shard_key(data: bytes) -> None:
    found = parse_vectors_key(text_of(data))
    assert found is None or (found.run_seq >= 0 and found.chunks_key.startswith("chunks/"))


def dead_letter(data: bytes) -> None:
    message = DeadLetterMessage("id", text_of(data), datetime(2026, 11, 23, tzinfo=UTC))
    body = body_of(message)
    for line in field_lines(body):
        assert "\n" not in printable(line)
    json_text(description(SCHEDULE, message, None))
    meaning_of_drop("compact", body)
    with suppress(InvalidInputError):
        json.dumps(event_to_send(message, "ultron")).encode()


class _Says:
    """Answers with given bytes, as another invocation might."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def invoke(self, payload: bytes) -> bytes:
        return self._answer


def group_answer(data: bytes) -> None:
    group = RemoteGroup(SCOPE, _Says(data))
    query = GroupQuery(depth=5, least=5, breadth=10, by_entity=True, passages=2, terms=("a",))
    asks: tuple[Callable[[], object], ...] = (
        lambda: group.statistics(["a"], by_entity=True),
        lambda: group.suggest(Unknown(("a",), ("ab",))),
        lambda: group.passages(query, answer := group.search(query), range(len(answer.units))),
        lambda: group.sample(3, 1),
    )
    for ask in asks:
        with suppress(UltronError):
            ask()


TARGETS = {
    "dead_letter": Target(dead_letter, is_json=True),
    "group_answer": Target(group_answer, is_json=True),
    "job": Target(job, is_json=True),
    "json_lines": Target(json_lines, lambda: [encode_lines(['{"a": 1}', "b"])], is_json=True),
    "page_query": Target(page_query, is_json=True),
    "shard_key": Target(shard_key, maximum_bytes=400),
}
