"""Settings of fetch."""

from typing import Annotated

from pydantic import Field

from shared.settings import PublishingStageSettings, SourceSettings


class FetchSettings(PublishingStageSettings, SourceSettings):
    """A page that had to wait for its turn becomes a gap after `maximum_postponements`.

    The function's timeout must exceed a minute, for which a call that fails is repeated, by the
    time of a last call, half a minute.
    """

    maximum_postponements: Annotated[int, Field(ge=0, le=10_000)] = 50
