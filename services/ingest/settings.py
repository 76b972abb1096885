"""Settings of ingest."""

from typing import Annotated

from pydantic import Field, Json
from pydantic_settings import NoDecode

from shared.platform.settings import ModelSettings, SourceSettings
from shared.runs.leases import RUN_LEASE_SECONDS


class IngestSettings(SourceSettings, ModelSettings):
    """`lease_seconds` is how long a run may stand still before another may close it as abandoned.

    Until a run is planned, it may take no longer than `planning_lease_seconds`, a little more than
    the function's timeout: a planner that was killed must not block the next run for hours.
    `stage_queue_urls` are all queues that can hold a message of a run, in pipeline order. A full
    run of no pages ends as it is planned, and is swept like any other.
    """

    bucket_name: Annotated[str, Field(min_length=1)]
    next_queue_url: Annotated[str, Field(min_length=1)]
    compact_queue_url: Annotated[str, Field(min_length=1)]
    stage_queue_urls: Annotated[Json[tuple[str, ...]], NoDecode, Field(min_length=1)]
    publish_copies: Annotated[int, Field(ge=1, le=3)] = 1
    planning_lease_seconds: Annotated[int, Field(ge=10, le=3600)] = 330
    lease_seconds: Annotated[int, Field(ge=60, le=7 * 86_400)] = RUN_LEASE_SECONDS
    maximum_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 60.0
