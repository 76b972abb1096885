from collections.abc import Callable
from itertools import count

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from services.orchestrator.chat_request import ChatRequest
from services.orchestrator.conversation import GREETING, UNCLEAR, ChatGraph
from services.orchestrator.generator import NOTHING_FOUND
from shared.errors import NotFoundError, UltronError
from tests.unit.orchestrator.scripted import PYM, ULTRON, ScriptedLambda

MakeGraph = Callable[..., ChatGraph]
SESSION = "session-0001"


def ask(message: str, **fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"message": message, **fields})


def kept_turns(sessions: InMemorySaver, session_id: str = SESSION) -> list[dict[str, object]]:
    kept = sessions.get_tuple({"configurable": {"thread_id": session_id}})
    assert kept is not None
    turns: list[dict[str, object]] = kept.checkpoint["channel_values"].get("turns", [])
    return turns


def test_a_question_is_searched_answered_and_cited(make_graph: MakeGraph) -> None:
    client = ScriptedLambda()
    reply = make_graph(client).run(SESSION, ask("Who  created\nUltron?"))
    assert client.searches == [
        {
            "q": "Who created Ultron?",
            "k": 5,
            "passages": 2,
            "mode": "hybrid",
            "corpus": "demo",
            "filters": {},
        }
    ]
    assert reply.draft.answer.startswith("Hank Pym created Ultron in 1968. [1]")
    assert reply.draft.citations[0].passage.url == "https://example.test/ultron"
    assert reply.retrieved.results == (ULTRON, PYM)
    assert reply.retrieved.attribution == "Data from here.; Data from there."


def test_what_a_request_says_goes_before_the_defaults(make_graph: MakeGraph) -> None:
    client = ScriptedLambda()
    filters = {"entity": "character", "since": "2024-01-31"}
    make_graph(client).run(SESSION, ask("Ultron", k=9, corpus="other", filters=filters))
    [search] = client.searches
    assert (search["k"], search["corpus"], search["filters"]) == (9, "other", filters)


def test_a_follow_up_is_searched_with_its_subject(make_graph: MakeGraph) -> None:
    client = ScriptedLambda()
    graph = make_graph(client)
    graph.run(SESSION, ask("Who created Ultron?"))
    reply = graph.run(SESSION, ask("Who is he?"))
    assert client.searches[-1]["q"] == "Who is Hank Pym?"
    assert reply.draft.answer.startswith("Hank Pym is a biochemist. [1]")


def test_a_question_is_answered_in_the_words_that_were_searched_for(
    make_graph: MakeGraph, sessions: InMemorySaver
) -> None:
    client = ScriptedLambda({"results": [ULTRON, PYM], "corrected": {"ulton": "ultron"}})
    graph = make_graph(client)
    reply = graph.run(SESSION, ask("Who created Ulton?"))
    assert client.searches[-1]["q"] == "Who created Ulton?"
    assert reply.retrieved.corrected == {"ulton": "ultron"}
    assert reply.draft.answer.startswith("Hank Pym created Ultron in 1968. [1]")
    [turn] = kept_turns(sessions)
    assert (turn["message"], turn["query"]) == ("Who created Ulton?", "Who created Ultron?")


def test_a_session_does_not_know_another(make_graph: MakeGraph) -> None:
    client = ScriptedLambda()
    graph = make_graph(client)
    graph.run(SESSION, ask("Who created Ultron?"))
    assert graph.run("session-0002", ask("Who is he?")).draft == UNCLEAR
    assert len(client.searches) == 1


def test_small_talk_searches_nothing_and_leaves_the_subject(make_graph: MakeGraph) -> None:
    client = ScriptedLambda()
    graph = make_graph(client)
    graph.run(SESSION, ask("Who created Ultron?"))
    assert graph.run(SESSION, ask("Thank you!")).draft == GREETING
    assert len(client.searches) == 1
    graph.run(SESSION, ask("Who is he?"))
    assert client.searches[-1]["q"] == "Who is Hank Pym?"


def test_a_turn_takes_nothing_over_from_the_one_before(make_graph: MakeGraph) -> None:
    graph = make_graph(ScriptedLambda())
    graph.run(SESSION, ask("Who created Ultron?"))
    reply = graph.run(SESSION, ask("hello"))
    assert reply.retrieved.results == ()
    assert reply.retrieved.attribution is None
    assert reply.retrieve_milliseconds == 0.0


def test_only_the_last_turns_are_kept(make_graph: MakeGraph, sessions: InMemorySaver) -> None:
    graph = make_graph(ScriptedLambda(), history_turns=3)
    for number in range(7):
        graph.run(SESSION, ask(f"Who created Ultron number {number}?"))
    kept = [turn["message"] for turn in kept_turns(sessions)]
    assert kept == [f"Who created Ultron number {number}?" for number in (4, 5, 6)]


def test_a_checkpoint_holds_the_turns_and_nothing_that_was_retrieved(
    make_graph: MakeGraph, sessions: InMemorySaver
) -> None:
    make_graph(ScriptedLambda()).run(SESSION, ask("Who created Ultron?"))
    kept = sessions.get_tuple({"configurable": {"thread_id": SESSION}})
    assert kept is not None
    assert set(kept.checkpoint["channel_values"]) == {"turns"}
    assert not kept.pending_writes
    assert "raw/demo" not in repr(kept)
    assert len(list(sessions.list({"configurable": {"thread_id": SESSION}}))) == 1


@pytest.mark.parametrize("answer", [{"results": []}, {"results": [ULTRON]}])
def test_nothing_relevant_is_a_turn_too(
    make_graph: MakeGraph, sessions: InMemorySaver, answer: object
) -> None:
    reply = make_graph(ScriptedLambda(answer)).run(SESSION, ask("Who created Galactus?"))
    assert reply.draft == NOTHING_FOUND
    assert kept_turns(sessions) == [
        {
            "message": "Who created Galactus?",
            "query": "Who created Galactus?",
            "answer": "",
            "titles": [],
        }
    ]


def test_passages_that_are_all_far_from_the_question_are_not_quoted(make_graph: MakeGraph) -> None:
    far = {"results": [ULTRON | {"similarity": 0.1}, PYM | {"similarity": 0.2499}]}
    reply = make_graph(ScriptedLambda(far)).run(SESSION, ask("Who created Ultron?"))
    assert reply.draft == NOTHING_FOUND
    assert len(reply.retrieved.results) == 2


def test_one_near_passage_opens_the_others(make_graph: MakeGraph) -> None:
    mixed = {"results": [ULTRON | {"similarity": 0.1}, PYM | {"similarity": 0.25}]}
    reply = make_graph(ScriptedLambda(mixed)).run(SESSION, ask("Who created Ultron?"))
    assert reply.draft.answer.startswith("Hank Pym created Ultron")


def test_a_failed_turn_leaves_the_session_as_it_was(
    make_graph: MakeGraph, sessions: InMemorySaver
) -> None:
    client = ScriptedLambda()
    graph = make_graph(client)
    graph.run(SESSION, ask("Who created Ultron?"))
    before = kept_turns(sessions)
    good, client.answer = client.answer, {"error": {"code": "NOT_FOUND", "message": "no index"}}
    with pytest.raises(NotFoundError, match="no index"):
        graph.run(SESSION, ask("Who is Thor?"))
    assert kept_turns(sessions) == before
    client.answer = good
    graph.run(SESSION, ask("Who is he?"))
    assert [search["q"] for search in client.searches] == [
        "Who created Ultron?",
        "Who is Thor?",
        "Who is Hank Pym?",
    ]
    assert [turn["message"] for turn in kept_turns(sessions)] == [
        "Who created Ultron?",
        "Who is he?",
    ]


def test_a_failed_first_turn_leaves_an_empty_session(
    make_graph: MakeGraph, sessions: InMemorySaver
) -> None:
    client = ScriptedLambda(b"no json")
    graph = make_graph(client)
    with pytest.raises(UltronError):
        graph.run(SESSION, ask("Who created Ultron?"))
    assert kept_turns(sessions) == []
    client.answer = {"results": [ULTRON]}
    graph.run(SESSION, ask("Who is Ultron?"))
    assert [turn["message"] for turn in kept_turns(sessions)] == ["Who is Ultron?"]


def test_the_slow_steps_are_timed(make_graph: MakeGraph) -> None:
    ticks = count()
    graph = make_graph(ScriptedLambda(), clock=lambda: next(ticks) / 1_000)
    reply = graph.run(SESSION, ask("Who created Ultron?"))
    assert reply.retrieve_milliseconds == pytest.approx(1)
    assert reply.generate_milliseconds == pytest.approx(1)
