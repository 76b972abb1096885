"""Settings of fetch."""

from typing import Annotated

from pydantic import Field

from shared.settings import PublishingStageSettings


class FetchSettings(PublishingStageSettings):
    """`maximum_wait_seconds` bounds how long one page waits for a source that is overloaded.

    The function's timeout must exceed it by the time of one call, 30 seconds.
    """

    corpora_parameter_path: Annotated[str, Field(min_length=1)]
    source_secret_prefix: Annotated[str, Field(min_length=1)]
    maximum_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 60.0
