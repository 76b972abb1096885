"""Settings of fetch."""

from typing import Annotated

from pydantic import Field

from shared.platform.settings import PublishingStageSettings, SourceSettings


class FetchSettings(PublishingStageSettings, SourceSettings):
    """A page that had to wait for a rate-limit slot becomes a gap after `maximum_postponements`.

    The function's timeout must be four minutes at least: after two, a page of several calls hands
    on what it has not read, and the call that is under way then may wait and be repeated for as
    long.
    """

    maximum_postponements: Annotated[int, Field(ge=0, le=10_000)] = 50
