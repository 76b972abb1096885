"""Settings of ingest."""

from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """`lease_seconds` is how long a run may take before another may close it as abandoned.

    A full run of no pages ends as it is planned, and is swept like any other.
    """

    bucket_name: Annotated[str, Field(min_length=1)]
    checkpoint_table: Annotated[str, Field(min_length=1)]
    corpora_parameter_path: Annotated[str, Field(min_length=1)]
    source_secret_prefix: Annotated[str, Field(min_length=1)]
    next_queue_url: Annotated[str, Field(min_length=1)]
    compact_queue_url: Annotated[str, Field(min_length=1)]
    publish_copies: Annotated[int, Field(ge=1, le=3)] = 1
    lease_seconds: Annotated[int, Field(ge=60, le=7 * 86_400)] = 6 * 3600
    maximum_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 60.0
