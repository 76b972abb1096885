"""From chunk files to answers with the real handlers: once, twice, and with parts that fail."""

import random

import numpy as np

from shared.index.manifest.manifest_store import ManifestStore
from shared.index.shard.origin import shard_name
from shared.index.shard.vector_file import decode_vectors
from shared.models.jobs import IndexJob
from shared.models.manifest import Manifest
from shared.storage import keys
from tests.integration.index.conftest import CORPUS, MAXIMUM_RECEIVES, Line


def found(line: Line, text: str, **payload: object) -> dict[str, str]:
    answer = line.retrieve(q=text, k=50, **payload)
    assert "error" not in answer, answer
    return {result["id"]: result["snippet"] for result in answer["results"]}


def manifest(line: Line, job: IndexJob) -> Manifest:
    return ManifestStore(line.store, CORPUS, job.shard.model).read().manifest


def test_chunks_become_answers_and_the_run_ends(line: Line) -> None:
    run_id = line.start_run(1, pages=2)
    jobs = [
        *line.chunked(run_id, 0, [{"a:1": "w1 w2", "a:2": "w3 w4"}, {"a:3": "w5 w6", "a:4": ""}]),
        *line.chunked(run_id, 1, [{"b:1": "w7 w8"}]),
    ]
    bodies = [job.model_dump_json() for job in jobs]
    assert line.embed(bodies) == []
    index_bodies = line.take()
    assert len(index_bodies) == 3
    assert line.runs.reader.get_run(run_id).run.status == "running"
    assert line.index(index_bodies) == []

    progress = line.runs.reader.get_run(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 2)
    assert (progress.vectors, progress.shards) == (4, 3)
    committed = manifest(line, IndexJob.model_validate_json(index_bodies[0]))
    assert (committed.version, len(committed.shards)) == (1, 3)
    assert found(line, "w5 w6", threshold=0.9999, mode="dense") == {"a:3-001": "w5 w6"}
    assert set(found(line, "w1", filters={"entity": "a"})) == {"a:1-001", "a:2-001", "a:3-001"}


def test_the_vector_file_holds_what_was_embedded(line: Line) -> None:
    run_id = line.start_run(1, pages=1)
    (job,) = line.chunked(run_id, 0, [{"a:2": "w3 w4", "a:1": "w1 w2"}])
    assert line.embed([job.model_dump_json()]) == []
    stored = line.store.get(keys.embeddings_key(job, 0))
    kept = decode_vectors(stored.data, stored.key)
    assert kept.ids == ("a:2-001", "a:1-001")
    np.testing.assert_allclose(np.linalg.norm(kept.vectors, axis=1), 1.0, atol=1e-5)
    assert set(kept.checksums or ()) == {"a:1", "a:2"}
    assert (kept.origin, kept.seq) == (f"{run_id}/p-0/0", 1)
    (body,) = line.take()
    assert stored.metadata["model-id"] == IndexJob.model_validate_json(body).shard.model.id


def test_everything_delivered_twice_and_out_of_order_counts_once(line: Line) -> None:
    run_id = line.start_run(1, pages=3)
    jobs = [
        job
        for page in range(3)
        for job in line.chunked(run_id, page, [{f"p{page}:{part}": f"w{page}"} for part in (0, 1)])
    ]
    order = random.Random(5)
    bodies = [job.model_dump_json() for job in jobs] * 2
    order.shuffle(bodies)
    assert line.embed(bodies[:7]) == []
    index_bodies = line.take()
    assert line.index(index_bodies * 2) == []
    assert line.embed(bodies[7:]) == []
    index_bodies += line.take()
    order.shuffle(index_bodies)
    assert line.index(index_bodies) == []

    progress = line.runs.reader.get_run(run_id)
    assert (progress.run.status, progress.pages_done) == ("succeeded", 3)
    assert (progress.vectors, progress.shards) == (6, 6)
    committed = manifest(line, IndexJob.model_validate_json(index_bodies[0]))
    assert len({shard.origin for shard in committed.shards}) == len(committed.shards) == 6
    stored = [item.key for item in line.store.list("indexes/") if "/shards/" in item.key]
    assert len(stored) == 18  # a second builder made the same bytes under the same names
    assert len(found(line, "w1")) == 6


def test_a_later_run_replaces_and_removes(line: Line) -> None:
    for number, texts in ((1, {"a:1": "w1 w2", "a:2": "w3"}), (2, {"a:1": "w9", "a:2": ""})):
        run_id = line.start_run(number, pages=1)
        (job,) = line.chunked(run_id, 0, [texts])
        assert line.embed([job.model_dump_json()]) == []
        assert line.index(line.take()) == []
        assert set(found(line, "w1").values()) == {text for text in texts.values() if text}


def test_a_bad_job_fails_alone_and_its_last_failure_says_why(line: Line) -> None:
    run_id = line.start_run(1, pages=3)
    jobs = [line.chunked(run_id, page, [{f"a:{page}": f"w{page}"}])[0] for page in range(3)]
    line.store.put(jobs[1].chunks_key, b"no gzip")
    bodies = [job.model_dump_json() for job in jobs]
    assert line.embed([*bodies, "{}"], receives=MAXIMUM_RECEIVES) == ["1", "3"]
    reason = line.failures.reason("embedder", "1")
    assert reason is not None
    assert reason["code"] == "CORRUPT_OBJECT"
    assert jobs[1].chunks_key in reason["reason"]

    index_bodies = line.take()
    good = IndexJob.model_validate_json(index_bodies[0])
    of_another_job = good.model_copy(update={"page_id": "p-1"})
    assert good.shard.sidecar is not None
    elsewhere = good.shard.sidecar.model_copy(update={"key": "indexes/other/shards/x.sqlite"})
    shard = good.shard
    bad = [
        of_another_job.model_copy(update={"shard": shard.model_copy(update=change)})
        for change in (
            {},
            {"origin": f"{run_id}/p-1/0"},
            {
                "origin": f"{run_id}/p-1/0",
                "shard_id": shard_name(f"{run_id}/p-1/0", b""),
                "sidecar": elsewhere,
            },
        )
    ]
    refused = [job.model_dump_json() for job in bad]
    unknown = jobs[0].model_copy(update={"page_id": "p-9"})
    assert line.embed([unknown.model_dump_json()]) == ["0"]
    (unknown_body,) = line.take()
    batch = [refused[0], index_bodies[0], refused[1], "no job", refused[2], unknown_body]
    assert sorted(line.index([*batch, index_bodies[1]])) == ["0", "2", "3", "4", "5"]
    committed = [one.origin for one in manifest(line, good).shards]
    assert set(committed) - {f"{run_id}/p-9/0"} == {f"{run_id}/p-0/0", f"{run_id}/p-2/0"}
    assert set(found(line, "w0")) >= {"a:0-001", "a:2-001"}
    progress = line.runs.reader.get_run(run_id)
    assert (progress.pages_done, progress.pages_failed) == (2, 1)


def test_a_job_redriven_after_a_fix_counts_as_if_it_had_never_failed(line: Line) -> None:
    run_id = line.start_run(1, pages=1)
    (job,) = line.chunked(run_id, 0, [{"a:1": "w1"}])
    good = line.store.get(job.chunks_key).data
    line.store.put(job.chunks_key, good[:10])
    assert line.embed([job.model_dump_json()], receives=MAXIMUM_RECEIVES) == ["0"]
    assert line.runs.reader.get_run(run_id).pages_failed == 1
    line.store.put(job.chunks_key, good)
    assert line.embed([job.model_dump_json()]) == []
    assert line.index(line.take()) == []
    progress = line.runs.reader.get_run(run_id)
    assert (progress.pages_done, progress.pages_failed, progress.vectors) == (1, 0, 1)


def test_a_manifest_that_cannot_be_read_fails_the_jobs_and_stays(line: Line) -> None:
    run_id = line.start_run(1, pages=1)
    (job,) = line.chunked(run_id, 0, [{"a:1": "w1"}])
    assert line.embed([job.model_dump_json()]) == []
    (body,) = line.take()
    key = keys.manifest_key(CORPUS, IndexJob.model_validate_json(body).shard.model)
    line.store.put(key, b"damaged")
    assert line.index([body], receives=MAXIMUM_RECEIVES) == ["0"]
    reason = line.failures.reason("indexer", "0")
    assert reason is not None
    assert key in reason["reason"]
    assert line.store.get(key).data == b"damaged"
    line.store.delete(key)
    assert line.index([body]) == []
    assert line.runs.reader.get_run(run_id).pages_done == 1


def test_retrieve_follows_the_commits_of_others(line: Line) -> None:
    assert line.retrieve(q="w1")["error"]["status"] == 404
    for number in (1, 2, 3):
        run_id = line.start_run(number, pages=1)
        (job,) = line.chunked(run_id, 0, [{f"a:{number}": f"w{number}"}])
        assert line.embed([job.model_dump_json()]) == []
        assert line.index(line.take()) == []
        answer = line.retrieve(q="w1", k=50)
        assert answer["index"] == {"version": number, "shards": number}
        assert len(answer["results"]) == number
    assert line.retrieve(q="w1", corpus="nowhere")["error"] == {
        "code": "NOT_FOUND",
        "message": "there is no corpus named 'nowhere'",
        "status": 404,
    }
