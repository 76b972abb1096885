"""The chat graph with sessions in memory and a scripted retrieve function."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from services.orchestrator.conversation import ChatDefaults, ChatGraph
from services.orchestrator.quotation.extractive import ExtractiveGenerator
from services.orchestrator.retrieve_client import RetrieveFunction
from tests.unit.orchestrator.scripted import ScriptedLambda

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@pytest.fixture
def sessions() -> InMemorySaver:
    return InMemorySaver()


@pytest.fixture
def make_graph(sessions: InMemorySaver) -> Callable[..., ChatGraph]:
    def make(client: ScriptedLambda, history_turns: int = 10, **changes: Any) -> ChatGraph:
        return ChatGraph(
            RetrieveFunction(cast("LambdaClient", client), "retrieve"),
            ExtractiveGenerator(),
            sessions,
            ChatDefaults("demo", "hybrid", 0.25, history_turns),
            **changes,
        )

    return make
