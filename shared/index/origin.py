"""The identity of the job that made a shard."""

from shared.models.jobs import EmbedJob, IndexJob


def shard_origin(job: EmbedJob | IndexJob) -> str:
    """Return `<run>/<page>/<part>`; a manifest holds an origin once."""
    return f"{job.run_id}/{job.page_id}/{job.part}"
