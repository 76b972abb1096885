"""What a consumer of the API gets, over HTTP through API Gateway."""

import json
import uuid
from pathlib import Path

import pytest

from shared.models.run import RunProgress
from tests.e2e.stack import Stack

QUESTION = "Who created Ultron?"


def test_retrieve_names_the_creator_of_ultron(stack: Stack, marvel_run: RunProgress) -> None:
    answer = stack.retrieve(QUESTION, k="5")
    assert answer.status == 200
    best = answer.body["results"][0]
    assert any("Pym" in result["snippet"] for result in answer.body["results"][:3])
    assert best["meta"]["title"]
    assert best["meta"]["source_path"].startswith("raw/marvel/")
    assert answer.body["model"]["dims"] == 384
    assert answer.body["index"]["version"] >= 1
    assert set(answer.body["timing_ms"]) >= {"embed", "search", "total"}
    scores = [result["score"] for result in answer.body["results"]]
    assert scores == sorted(scores, reverse=True)


def test_each_result_is_another_entity(stack: Stack, marvel_run: RunProgress) -> None:
    for mode in ("dense", "lexical", "hybrid"):
        results = stack.retrieve("Avengers", k="20", passages="3", mode=mode).body["results"]
        keys = [(result["meta"]["entity"], result["meta"]["id"]) for result in results]
        assert len(keys) == len(set(keys)) == 20
        assert all(len(result["passages"]) <= 2 for result in results)
    single = stack.retrieve("Avengers", k="20", group="false").body["results"]
    assert len({result["id"] for result in single}) == 20


def test_a_title_finds_its_entity_first(stack: Stack, marvel_run: RunProgress) -> None:
    for mode in ("dense", "lexical", "hybrid"):
        answer = stack.retrieve("Ultron", mode=mode)
        best = answer.body["results"][0]["meta"]
        assert (best["title"], best["entity"]) == ("Ultron", "character")


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_misspelt_names_are_among_the_first_three(
    stack: Stack, marvel_run: RunProgress, mode: str
) -> None:
    file = Path(__file__).parents[1] / "misspelt_names.json"
    names: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    missed = {}
    for name, title in names.items():
        question = {"q": name, "k": 3, "mode": mode}
        results = stack.invoke("retrieve", {"retrieve": question})["results"]
        found = [result["meta"]["title"] for result in results]
        if title not in found:
            missed[name] = found
    assert len(names) - len(missed) >= 40, missed


def test_chat_understands_a_misspelt_name(stack: Stack, marvel_run: RunProgress) -> None:
    answer = stack.chat("Who created Ulton?")
    assert answer.body["corrected"] == {"ulton": "ultron"}
    assert "Pym" in answer.body["answer"]


def test_chat_answers_with_a_cited_sentence(stack: Stack, marvel_run: RunProgress) -> None:
    answer = stack.chat(QUESTION)
    assert answer.status == 200
    assert "Pym" in answer.body["answer"]
    assert "[1]" in answer.body["answer"]
    first = answer.body["citations"][0]
    assert first["n"] == 1
    assert first["title"]
    assert any("Pym" in citation["snippet"] for citation in answer.body["citations"])


def test_chat_remembers_whom_the_session_is_about(stack: Stack, marvel_run: RunProgress) -> None:
    session = uuid.uuid4().hex
    first = stack.chat("Who is Jocasta?", session_id=session)
    assert first.body["session_id"] == session
    follow_up = stack.chat("What is she made of?", session_id=session)
    assert "Jocasta" in follow_up.body["answer"]
    stranger = stack.chat("What is she made of?", session_id=uuid.uuid4().hex)
    assert stranger.body["results"] != follow_up.body["results"]


def test_chat_says_so_when_nothing_is_relevant(stack: Stack, marvel_run: RunProgress) -> None:
    answer = stack.chat("How do I bake sourdough bread with rye flour?")
    assert answer.status == 200
    assert answer.body["citations"] == []


def test_filters_narrow_the_results(stack: Stack, marvel_run: RunProgress) -> None:
    answer = stack.retrieve("Ultron", k="20", **{"filter.entity": "comic"})
    assert {result["meta"]["entity"] for result in answer.body["results"]} == {"comic"}
    wanted = answer.body["results"][0]["meta"]["id"]
    one = stack.retrieve("Ultron", **{"filter.entity": "comic", "filter.id": wanted})
    assert {result["meta"]["id"] for result in one.body["results"]} == {wanted}
    assert stack.retrieve("Ultron", **{"filter.since": "2999-01-01"}).body["results"] == []


def test_every_mode_answers(stack: Stack, marvel_run: RunProgress) -> None:
    for mode in ("dense", "lexical", "hybrid"):
        answer = stack.retrieve("Mar-Vell", mode=mode)
        assert (answer.status, answer.body["mode"]) == (200, mode)
        assert "Mar-Vell" in str(answer.body["results"])


def test_health_needs_no_key(stack: Stack) -> None:
    answer = stack.request("GET", "/health", key=None)
    assert (answer.status, answer.body["status"]) == (200, "ok")
