"""An index larger than one function's budget: parallel invocations, the same answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.models.run import RunProgress
from tests.e2e.shelf import maintained
from tests.e2e.stack import Answer, Stack, wait_for

TOUCHED = 9100007
QUESTIONS = ("Who created Ultron?", "Mar-Vell", "X-23", "a city lifted into the sky")


def answers(stack: Stack, **filters: str) -> list[Any]:
    found = []
    for mode in ("dense", "lexical", "hybrid"):
        for q in QUESTIONS:
            request = {"q": q, "k": 10, "mode": mode, "corpus": "marvel", "filters": filters}
            answer = stack.invoke("retrieve", {"retrieve": request})
            assert "error" not in answer, answer
            found.append((answer["index"], answer["results"]))
    return found


def several_shards(stack: Stack) -> None:
    """Merging may have left one shard: change an entity, which adds another one."""
    maintained(stack)
    if stack.retrieve(QUESTIONS[0]).body["index"]["shards"] > 1:
        return
    change = {"type": "characters", "id": TOUCHED, "description": "A text of another shard."}
    stack.control("PUT", "/entities", [change])
    assert stack.ingest("marvel").shards == 1

    def seen() -> bool | None:
        return True if stack.retrieve(QUESTIONS[0]).body["index"]["shards"] > 1 else None

    wait_for(seen, "two shards to be served", 60)


@pytest.fixture
def whole(stack: Stack, marvel_run: RunProgress) -> dict[str, Any]:
    """The answers of one process over all shards."""
    several_shards(stack)
    return {
        "plain": [results for _, results in answers(stack)],
        "filtered": [results for _, results in answers(stack, entity="character")],
    }


def budget_mb(stack: Stack) -> str:
    """Somewhat more than half of the index, so that it takes two groups, or three."""
    manifest = next(stack.versions("marvel"))
    return str(0.6 * sum(shard.size_bytes for shard in manifest.shards) / 2**20)


@pytest.fixture
def small_budget(stack: Stack, whole: dict[str, Any]) -> Iterator[None]:
    def warmed() -> bool | None:
        # Each group's function starts again, slowly here, and a caller is told to ask again.
        answer = stack.retrieve(QUESTIONS[0], mode="hybrid")
        return True if answer.status == 200 else None

    with stack.environment("retrieve", {"MEMORY_BUDGET_MB": budget_mb(stack)}):
        wait_for(warmed, "every group to answer", 120)
        yield


def test_groups_answer_as_one_process_does(
    stack: Stack, whole: dict[str, Any], small_budget: None
) -> None:
    grouped = answers(stack)
    assert all(index["groups"]["of"] > 1 for index, _ in grouped)
    assert [results for _, results in grouped] == whole["plain"]
    assert [r for _, r in answers(stack, entity="character")] == whole["filtered"]
    over_http = stack.retrieve(QUESTIONS[0], k="10", mode="hybrid")
    assert over_http.status == 200
    assert over_http.body["results"] == json.loads(json.dumps(whole["plain"][2 * len(QUESTIONS)]))


@pytest.fixture
def only_one_at_a_time(stack: Stack, small_budget: None) -> Iterator[None]:
    """Nothing may run beside the function that coordinates, so every other group is throttled."""
    name = stack.outputs["function_names"]["retrieve"]
    former = stack.lambdas.get_function_concurrency(FunctionName=name)
    stack.lambdas.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    try:
        yield
    finally:
        stack.lambdas.put_function_concurrency(
            FunctionName=name,
            ReservedConcurrentExecutions=former["ReservedConcurrentExecutions"],
        )


def answer_of_the_function(stack: Stack, **options: str) -> Answer:
    """What the function itself says to a query.

    While a group of an earlier query holds its only place, the function that coordinates is
    throttled too, and the gateway answers 500.
    """

    def asked() -> Answer | None:
        answer = stack.retrieve("Who created Ultron?", mode="dense", **options)
        return None if answer.status == 500 else answer

    return wait_for(asked, "the groups of earlier queries to end", 60)


def test_a_group_that_fails_is_an_error_unless_a_part_will_do(
    stack: Stack, only_one_at_a_time: None
) -> None:
    refused = answer_of_the_function(stack)
    assert refused.status == 503
    assert refused.body["error"]["code"] == "PARTIAL_FAILURE"
    partial = answer_of_the_function(stack, partial="true")
    assert partial.status == 200
    assert partial.body["partial"] is True
    groups = partial.body["index"]["groups"]
    assert 1 <= groups["searched"] < groups["of"]
