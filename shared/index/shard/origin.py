"""The identity of the job that made a shard, and the name that follows from it."""

import hashlib

from shared.models.jobs import EmbedJob, IndexJob

SWEEP_PAGE = "sweep"
_DIGITS = 16


def shard_origin(job: EmbedJob | IndexJob) -> str:
    """Return `<run>/<page>/<part>`; a manifest holds an origin once."""
    return f"{job.run_id}/{job.page_id}/{job.part}"


def sweep_origin(run_id: str) -> str:
    """Return the origin of what the sweep of a run deletes: as if it were a page of the run."""
    return f"{run_id}/{SWEEP_PAGE}/0"


def is_sweep_origin(origin: str) -> bool:
    """Whether a sweep made the shard of this origin."""
    return origin.split("/")[1:2] == [SWEEP_PAGE]


def shard_name(origin: str, content: bytes) -> str:
    """Return the id of a shard: a hash of its origin and one of its content.

    Two builders of one job never overwrite each other's files with other bytes.
    """
    return f"{_digest(origin.encode())}-{_digest(content)}"


def is_named_after(shard_id: str, origin: str) -> bool:
    """Whether `shard_name` gives such an id to a shard of this origin."""
    return shard_id.split("-")[0] == _digest(origin.encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]
