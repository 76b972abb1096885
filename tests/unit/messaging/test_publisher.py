"""What is published arrives whole and in order, whatever SQS leaves out and however long it is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messaging.publisher import JobPublisher, PublishError
from shared.models.jobs import LARGEST_MESSAGE_BYTES, PageJob
from tests.unit.messaging.scripted_queue import URL, Refuses, ScriptedQueue, sizes_of

MOST_BYTES = 256 * 1024


def job(number: int, text: str = "") -> PageJob:
    return PageJob(
        corpus="tests",
        run_id="20261123T060000Z-00000001",
        page_id=f"p-{number}",
        seq=1,
        endpoint="list",
        query={"urls": text},
    )


def published(jobs: list[PageJob], refuses: Refuses | None = None) -> ScriptedQueue:
    queue = ScriptedQueue(refuses) if refuses else ScriptedQueue()
    JobPublisher(queue.client, URL, wait=lambda _: None).publish(jobs)
    return queue


def pages(bodies: list[str]) -> list[str]:
    return [PageJob.model_validate_json(body).page_id for body in bodies]


def test_what_sqs_left_out_of_a_batch_is_sent_again() -> None:
    waits: list[float] = []
    queue = ScriptedQueue(lambda call, body: call < 2 and ("p-3" in body or "p-11" in body))
    JobPublisher(queue.client, URL, wait=waits.append).publish([job(n) for n in range(12)])
    assert sorted(pages(queue.messages)) == sorted(f"p-{n}" for n in range(12))
    assert [len(batch) for batch in queue.batches] == [10, 1, 1, 2]
    assert len(waits) == 2
    assert all(0 <= wait <= 1 for wait in waits)


def test_what_sqs_leaves_out_for_good_fails_the_stage() -> None:
    with pytest.raises(PublishError, match=r"1 of 2 messages could not be sent.*InternalError"):
        published([job(1), job(2)], lambda _, body: "p-2" in body)


def test_a_job_too_large_for_a_message_costs_only_itself() -> None:
    queue = ScriptedQueue()
    jobs = [job(1), job(2, "x" * LARGEST_MESSAGE_BYTES), job(3)]
    with pytest.raises(PublishError, match=r"1 jobs .* PageJob of page p-2 has \d+ bytes"):
        JobPublisher(queue.client, URL).publish(jobs)
    assert pages(queue.messages) == ["p-1", "p-3"]


def test_the_largest_job_still_fits_when_it_was_postponed() -> None:
    frame = len(job(1).model_dump_json())
    largest = job(1, "x" * (LARGEST_MESSAGE_BYTES - frame))
    assert published([largest, largest]).messages == [largest.model_dump_json()] * 2
    waited = largest.model_copy(update={"postponements": 10**9})
    assert len(waited.model_dump_json()) < MOST_BYTES


def test_characters_that_sqs_takes_in_no_message_arrive() -> None:
    [body] = published([job(1, "a\ufffe\uffff\x00\x1f\u2028b")]).messages
    assert not {"\ufffe", "\uffff", "\x00", "\x1f"} & set(body)
    assert json.loads(body)["query"]["urls"] == "a\ufffe\uffff\x00\x1f\u2028b"


LENGTHS = st.lists(
    st.one_of(st.integers(0, 2_000), st.integers(20_000, 120_000), st.integers(0, 240_000)),
    max_size=25,
)


@settings(deadline=None, max_examples=40)
@given(LENGTHS, st.sampled_from(["x", "ä", "😀"]), st.integers(1, 3))
def test_nothing_is_lost_and_every_batch_is_within_both_bounds(
    lengths: list[int], character: str, copies: int
) -> None:
    queue = ScriptedQueue()
    jobs = [
        job(n, character * (length // len(character.encode()))) for n, length in enumerate(lengths)
    ]
    JobPublisher(queue.client, URL, copies).publish(jobs)
    assert queue.messages == [job.model_dump_json() for job in jobs for _ in range(copies)]
    assert all(1 <= len(batch) <= 10 for batch in queue.batches)
    assert all(size <= MOST_BYTES for size in sizes_of(queue.batches))


def test_batches_are_as_full_as_they_may_be() -> None:
    queue = published([job(n, "x" * 50_000) for n in range(11)] + [job(n) for n in range(30)])
    assert [len(batch) for batch in queue.batches] == [5, 5, 10, 10, 10, 1]
