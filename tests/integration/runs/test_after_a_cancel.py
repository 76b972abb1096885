"""A cancelled run leaves to the next one what it indexed; the rest is embedded again."""

from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums

TEXTS = {"a:1": "Kettle", "a:2": "Lamp"}


def test_what_was_left_half_way_is_embedded_by_the_next_run(shelf: Shelf) -> None:
    first, second, _ = shelf.plan(1, 3, mode="incremental")
    shelf.finish(shelf.chunked(first, {"a:1": "Kettle"}))
    # Its version is begun and its shard written, but the index job is dropped.
    shelf.embedder.embed_part(shelf.chunked(second, {"a:2": "Lamp"}))
    assert shelf.queue.jobs
    shelf.runs.steering.request_cancel(first.run_id)
    shelf.runs.steering.finish_cancel(first.run_id)
    shelf.queue.jobs.clear()
    cancelled = shelf.progress(1)
    assert (cancelled.run.status, cancelled.pages_done, cancelled.pages_cancelled) == (
        "cancelled", 1, 2,
    )  # fmt: skip
    assert shelf.live() == checksums({"a:1": "Kettle"})
    assert shelf.state.lease(CORPUS) is None

    following = shelf.run(2, [TEXTS], mode="incremental")
    assert (following.vectors, following.chunks_unchanged) == (1, 1)
    assert following.run.status == "succeeded"
    assert shelf.live() == checksums(TEXTS)


def test_an_index_job_that_comes_after_a_newer_run_changes_nothing(shelf: Shelf) -> None:
    [page] = shelf.plan(1, 1, mode="incremental")
    shelf.embedder.embed_part(shelf.chunked(page, {"a:1": "Kettle"}))
    late = shelf.queue.jobs.pop()
    shelf.runs.steering.request_cancel(page.run_id)
    shelf.runs.steering.finish_cancel(page.run_id)
    shelf.run(2, [{"a:1": "Teapot"}], mode="incremental")
    shelf.index(late)
    assert shelf.live() == checksums({"a:1": "Teapot"})
    assert shelf.progress(1).run.status == "cancelled"
