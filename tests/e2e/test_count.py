"""With every message sent twice: each entity is derived, chunked, embedded and found once."""

import io
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from shared.models.chunk import Chunk, chunk_file_line
from shared.models.entity import Entity
from shared.models.run import RunProgress
from shared.storage import jsonl
from shared.text.sentences import split_sentences
from tests.e2e.stack import Stack


def lines(stack: Stack, prefix: str) -> Iterator[str]:
    for key in stack.keys(prefix):
        yield from jsonl.decode_lines(stack.store.get(key).data, key)


def entities(stack: Stack, run: RunProgress) -> list[Entity]:
    folder = run_folder("derived", run)
    return [Entity.model_validate_json(line) for line in lines(stack, f"{folder}/entities-")]


def chunks(stack: Stack, run: RunProgress) -> list[Chunk]:
    parsed = [
        chunk_file_line.validate_json(line) for line in lines(stack, run_folder("chunks", run))
    ]
    return [line for line in parsed if isinstance(line, Chunk)]


def run_folder(stage: str, run: RunProgress) -> str:
    run_id = run.run.run_id
    return f"{stage}/{run.run.corpus}/{run_id[0:4]}/{run_id[4:6]}/{run_id[6:8]}/{run_id}"


def test_the_run_succeeds_with_every_page_accounted_for(
    stack: Stack, marvel_run: RunProgress
) -> None:
    assert marvel_run.run.status == "succeeded", marvel_run.run.reason
    assert marvel_run.pages_done == marvel_run.run.pages_planned
    assert (marvel_run.pages_gap, marvel_run.pages_failed) == (0, 0)
    assert marvel_run.rejects == 0
    outcomes = Counter(page["outcome"] for page in stack.runs.pages(marvel_run.run.run_id))
    assert outcomes == {"done": marvel_run.run.pages_planned}


def test_every_entity_of_the_source_is_derived_once(
    stack: Stack, marvel_run: RunProgress, source_keys: set[str]
) -> None:
    keys = [entity.key for entity in entities(stack, marvel_run)]
    assert len(keys) == len(set(keys)) == marvel_run.entities == marvel_run.raw_records
    assert set(keys) == source_keys
    assert len(source_keys) >= 150


def test_every_chunk_is_embedded_once_and_indexed_once(
    stack: Stack, marvel_run: RunProgress
) -> None:
    made = [chunk.chunk_id for chunk in chunks(stack, marvel_run)]
    assert len(made) == len(set(made)) == marvel_run.chunks == marvel_run.vectors
    embedded: list[str] = []
    for key in stack.keys(run_folder("embeddings", marvel_run)):
        with np.load(io.BytesIO(stack.store.get(key).data), allow_pickle=False) as arrays:
            assert np.allclose(np.linalg.norm(arrays["vectors"], axis=1), 1.0, atol=1e-5)
            embedded += [str(identifier) for identifier in arrays["ids"]]
    assert sorted(embedded) == sorted(made)
    # Shards are merged soon; every version that the index ever had tells which were committed.
    run_id = marvel_run.run.run_id
    committed = {
        shard.origin: shard
        for version in stack.versions("marvel")
        for shard in version.shards
        if shard.origin.startswith(run_id)
    }
    assert len(committed) == marvel_run.shards
    for version in stack.versions("marvel"):
        origins = [shard.origin for shard in version.shards]
        assert len(origins) == len(set(origins))
    assert sum(shard.vectors for shard in committed.values()) == len(made)


def test_every_entity_is_found_by_a_sentence_of_its_own(
    stack: Stack, marvel_run: RunProgress
) -> None:
    lost: list[str] = []
    for entity in entities(stack, marvel_run):
        # The last sentence is the hardest: it may not name its entity at all.
        sentence = [entity.title, *split_sentences(entity.description)][-1]
        if not sentence:
            continue  # neither title nor description: there is no text to find it by
        answer = stack.invoke("retrieve", {"retrieve": {"q": sentence, "k": 3}})
        found = {(r["meta"]["entity"], r["meta"]["id"]) for r in answer["results"]}
        if (entity.entity_type, entity.source_id) not in found:
            lost.append(f"{entity.key} by {sentence!r}")
    assert lost == []


@pytest.mark.parametrize(("mode", "most_missed"), [("lexical", 0), ("hybrid", 2)])
def test_each_character_is_found_first_by_its_name(
    stack: Stack, marvel_run: RunProgress, mode: str, most_missed: int
) -> None:
    characters = [e for e in entities(stack, marvel_run) if e.entity_type == "character"]
    assert len(characters) > 60
    others: dict[str, str] = {}
    for character in characters:
        question = {"q": character.title, "k": 1, "mode": mode}
        [best] = stack.invoke("retrieve", {"retrieve": question})["results"]
        if best["meta"]["title"] != character.title:
            others[character.title] = best["meta"]["title"]
    assert len(others) <= most_missed, others


@pytest.mark.parametrize("stage", ["page", "derive", "chunk", "embed", "index"])
def test_nothing_is_left_in_a_queue(stack: Stack, marvel_run: RunProgress, stage: str) -> None:
    """Nothing of this run: a poison message of another test may lie in a dead-letter queue."""
    url = stack.outputs["queue_urls"][f"{stage}-jobs"]
    response = stack.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
    )
    bodies = [message["Body"] for message in response.get("Messages", [])]
    assert [body for body in bodies if marvel_run.run.run_id in body] == []
