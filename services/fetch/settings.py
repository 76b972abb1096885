"""Settings of fetch."""

from typing import Annotated

from pydantic import Field

from shared.settings import PublishingStageSettings, SourceSettings


class FetchSettings(PublishingStageSettings, SourceSettings):
    """A page that had to wait for its turn becomes a gap after `maximum_postponements`.

    The function's timeout must be four minutes at least: a page of several calls hands on after two
    what it has not read, and the call that is under way then may wait and be repeated as long.
    """

    maximum_postponements: Annotated[int, Field(ge=0, le=10_000)] = 50
