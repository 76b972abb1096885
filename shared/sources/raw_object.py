"""Raw objects: a page exactly as received, with where it came from in the object's metadata."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from shared.models.jobs import PageJob
from shared.sources.base import FetchedPage

_ATTRIBUTION = "attribution"


def raw_metadata(job: PageJob, source: str, page: FetchedPage) -> dict[str, str]:
    """Return the metadata of a raw object: S3 takes ASCII only, so texts are JSON.

    `run_ts` is when the run began, ISO 8601 in UTC. A query never holds credentials.
    """
    started = datetime.fromtimestamp(job.seq / 1000, UTC)
    metadata = {
        "source": source,
        "endpoint": job.endpoint,
        "run_ts": started.isoformat(timespec="milliseconds"),
        "query": json.dumps(job.query, sort_keys=True, separators=(",", ":")),
    }
    if page.etag is not None:
        metadata["etag"] = page.etag
    if page.attribution is not None:
        metadata[_ATTRIBUTION] = json.dumps(page.attribution)
    return metadata


def read_attribution(metadata: Mapping[str, str]) -> str | None:
    """Return the attribution that `raw_metadata` wrote; None when there is none."""
    text = metadata.get(_ATTRIBUTION)
    return None if text is None else str(json.loads(text))
