"""Settings of the chunker."""

from typing import Annotated

from pydantic import Field

from shared.platform.settings import PublishingStageSettings


class ChunkerSettings(PublishingStageSettings):
    """`maximum_chunks_per_part` bounds one embed job, so that it ends well within its timeout."""

    corpora_parameter_path: Annotated[str, Field(min_length=1)]
    maximum_chunks_per_part: Annotated[int, Field(ge=1, le=5000)] = 256
