"""The chat graph: analyse -> retrieve -> generate -> respond, or straight to respond.

Only `turns` is checkpointed, once, when a turn ends: what a turn needs on its way (results can be
large) lives in untracked channels. Two turns of one session at once both get their answer; each
writes its own whole checkpoint, and the session goes on from the one written last.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.channels import UntrackedValue
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from services.orchestrator.analysis import Analysis, Turn, analyse, shorten, with_corrected
from services.orchestrator.chat_request import ChatRequest
from services.orchestrator.generator import NOTHING_FOUND, Draft, Generator, Passage
from services.orchestrator.retrieve_client import RetrieveCall, Retrieved

_MAXIMUM_ANSWER_CHARACTERS = 2_000
_MAXIMUM_TITLE_CHARACTERS = 200

GREETING = Draft("Hello! Ask me a question, and I answer with sentences quoted from the corpus.")
UNCLEAR = Draft("I cannot tell what that is about. Please name it in your question.")


class Retriever(Protocol):
    """Finds passages."""

    def search(self, search: RetrieveCall) -> Retrieved:
        """Return the passages nearest to the query, best first."""
        ...


@dataclass(frozen=True)
class ChatDefaults:
    """The defaults of a search, and how much of a session is kept.

    When no passage comes as near to the question as `minimum_similarity`, a cosine, then nothing
    was found.
    """

    corpus: str
    retrieve_mode: str
    minimum_similarity: float
    history_turns: int


@dataclass(frozen=True)
class Reply:
    """What one turn gave; the times are those of the two slow steps."""

    draft: Draft
    retrieved: Retrieved
    retrieve_milliseconds: float
    generate_milliseconds: float


class ChatState(TypedDict, total=False):
    """The graph's channels; `turns`, oldest first, is all that a checkpoint holds."""

    turns: list[Turn]
    request: Annotated[ChatRequest, UntrackedValue]
    analysis: Annotated[Analysis, UntrackedValue]
    retrieved: Annotated[Retrieved, UntrackedValue]
    draft: Annotated[Draft, UntrackedValue]
    retrieve_milliseconds: Annotated[float, UntrackedValue]
    generate_milliseconds: Annotated[float, UntrackedValue]


class ChatGraph:
    """The compiled graph with its parts: a retriever, a generator and a store of sessions."""

    def __init__(
        self,
        retriever: Retriever,
        generator: Generator,
        checkpointer: BaseCheckpointSaver[str],
        defaults: ChatDefaults,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`clock` counts seconds."""
        self._retriever = retriever
        self._generator = generator
        self._defaults = defaults
        self._clock = clock
        self._graph = self._build().compile(checkpointer=checkpointer)

    @property
    def generator_name(self) -> str:
        """How answers are made."""
        return self._generator.name

    def run(self, session_id: str, request: ChatRequest) -> Reply:
        """Play one turn of a session, which begins with its first turn.

        Raises:
            UltronError: retrieval refused the search or failed; the session stays as it was.
        """
        config: RunnableConfig = {"configurable": {"thread_id": session_id}}
        state = self._graph.invoke({"request": request}, config, durability="exit")
        return Reply(
            draft=state["draft"],
            retrieved=state.get("retrieved", Retrieved()),
            retrieve_milliseconds=state.get("retrieve_milliseconds", 0.0),
            generate_milliseconds=state.get("generate_milliseconds", 0.0),
        )

    def _build(self) -> StateGraph[ChatState, None, ChatState, ChatState]:
        graph = StateGraph(ChatState)
        graph.add_node("analyse", self._analyse)
        graph.add_node("retrieve", self._retrieve)
        graph.add_node("generate", self._generate)
        graph.add_node("respond", self._respond)
        graph.add_edge(START, "analyse")
        graph.add_conditional_edges("analyse", _next_of_analysis)
        graph.add_edge("retrieve", "generate")
        graph.add_edge("generate", "respond")
        graph.add_edge("respond", END)
        return graph

    def _analyse(self, state: ChatState) -> ChatState:
        return {"analysis": analyse(state["request"].message, state.get("turns", []))}

    def _retrieve(self, state: ChatState) -> ChatState:
        request = state["request"]
        started = self._clock()
        retrieved = self._retriever.search(
            RetrieveCall(
                query=state["analysis"].query,
                k=request.k,
                passages=request.passages,
                mode=self._defaults.retrieve_mode,
                corpus=request.corpus or self._defaults.corpus,
                filters=request.filters.model_dump(exclude_none=True),
            )
        )
        return {"retrieved": retrieved, "retrieve_milliseconds": self._since(started)}

    def _generate(self, state: ChatState) -> ChatState:
        started = self._clock()
        passages = state["retrieved"].passages
        draft = NOTHING_FOUND
        if any(self._is_near(passage) for passage in passages):
            draft = self._generator.generate(_question(state), passages)
        return {"draft": draft, "generate_milliseconds": self._since(started)}

    def _respond(self, state: ChatState) -> ChatState:
        """Answer what needs no search; remember what did, up to the number of turns kept."""
        analysis = state["analysis"]
        if analysis.route != "question":
            return {"draft": GREETING if analysis.route == "greeting" else UNCLEAR}
        turns = [*state.get("turns", []), _turn(state)]
        return {"turns": turns[-self._defaults.history_turns :]}

    def _is_near(self, passage: Passage) -> bool:
        similarity = passage.similarity
        return similarity is None or similarity >= self._defaults.minimum_similarity

    def _since(self, started: float) -> float:
        return (self._clock() - started) * 1_000


def _next_of_analysis(state: ChatState) -> Literal["retrieve", "respond"]:
    return "retrieve" if state["analysis"].route == "question" else "respond"


def _question(state: ChatState) -> str:
    """The question in the words that were searched for."""
    return with_corrected(state["analysis"].query, state["retrieved"].corrected)


def _turn(state: ChatState) -> Turn:
    draft = state["draft"]
    titles = (citation.passage.title for citation in draft.citations)
    return Turn(
        message=state["request"].message,
        query=_question(state),
        answer=shorten(draft.answer, _MAXIMUM_ANSWER_CHARACTERS) if draft.citations else "",
        titles=[shorten(title, _MAXIMUM_TITLE_CHARACTERS) for title in titles],
    )
