"""Settings of derive."""

from typing import Annotated

from pydantic import Field

from shared.platform.settings import PublishingStageSettings


class DeriveSettings(PublishingStageSettings):
    """The corpora say how records of a jsonl source are read."""

    corpora_parameter_path: Annotated[str, Field(min_length=1)]
