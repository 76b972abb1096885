"""Settings of the orchestrator."""

from typing import Annotated, Literal

from pydantic import Field

from shared.models.base import CorpusName
from shared.platform.settings import ServiceSettings


class OrchestratorSettings(ServiceSettings):
    """What the orchestrator reads from its environment."""

    checkpoint_table: Annotated[str, Field(min_length=1)]
    retrieve_function_name: Annotated[str, Field(min_length=1)]
    default_corpus: CorpusName
    retrieve_mode: Literal["dense", "lexical", "hybrid"] = "hybrid"
    minimum_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.25
    """Cosine that one passage must reach, or nothing was found; the lexical mode has none."""
    session_ttl_days: Annotated[int, Field(ge=1, le=365)] = 7
    history_turns: Annotated[int, Field(ge=1, le=10)] = 10
    """Turns kept of a session; ten of the longest still fit one DynamoDB item of 400 KB."""
