"""Raw objects: a page exactly as received, with where it came from in the object's metadata."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from shared.models.jobs import PageJob
from shared.sources.base import FetchedPage, query_hash

_ATTRIBUTION = "attribution"
_NEXT_PAGES = "next-pages"
# S3 keeps two kilobytes of metadata with an object, names and values together.
_LONGEST_QUERY = 700
_LONGEST_ETAG = 300
_LONGEST_ATTRIBUTION = 500


def raw_metadata(
    job: PageJob, source: str, page: FetchedPage, next_pages_key: str | None = None
) -> dict[str, str]:
    """Return the metadata of a raw object: S3 takes ASCII only, so texts are JSON.

    `run_ts` is when the run began, ISO 8601 in UTC. A query never holds credentials; of a long one
    only the sha256 (`query_hash`) is kept, of a long attribution the beginning. An etag that is
    very long, or no ASCII, is not kept: the page is read again.
    `next_pages_key` is the key of the object with the pages that this one listed.
    """
    started = datetime.fromtimestamp(job.seq / 1000, UTC)
    query = json.dumps(job.query, sort_keys=True, separators=(",", ":"))
    metadata = {
        "source": source,
        "endpoint": job.endpoint,
        "run_ts": started.isoformat(timespec="milliseconds"),
    }
    if len(query) <= _LONGEST_QUERY:
        metadata["query"] = query
    else:
        metadata["query-sha256"] = query_hash(job.endpoint, job.query)
    if page.etag is not None and len(page.etag) <= _LONGEST_ETAG and page.etag.isascii():
        metadata["etag"] = page.etag
    if page.attribution is not None:
        metadata[_ATTRIBUTION] = _bounded_json(page.attribution)
    if next_pages_key is not None:
        metadata[_NEXT_PAGES] = next_pages_key
    return metadata


def _bounded_json(text: str) -> str:
    """The text as ASCII JSON, or as much of its beginning as metadata has room for."""
    kept = text[:_LONGEST_ATTRIBUTION]
    while len(written := json.dumps(kept)) > _LONGEST_ATTRIBUTION:
        kept = kept[:-1]
    return written


def read_attribution(metadata: Mapping[str, str]) -> str | None:
    """Return the attribution that `raw_metadata` wrote; None when there is none."""
    text = metadata.get(_ATTRIBUTION)
    return None if text is None else str(json.loads(text))


def read_next_pages_key(metadata: Mapping[str, str]) -> str | None:
    """Return the key of the pages that a page listed; None when it listed none."""
    return metadata.get(_NEXT_PAGES)
