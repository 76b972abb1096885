"""Where everything lies in the bucket: keys are functions of a job, and of nothing else."""

from shared.models.jobs import Job
from shared.models.manifest import ModelIdentity


def run_date_path(run_id: str) -> str:
    """`YYYY/MM/DD` of the run's start, read off its id."""
    return f"{run_id[0:4]}/{run_id[4:6]}/{run_id[6:8]}"


def _page_folder(stage: str, job: Job) -> str:
    return f"{stage}/{job.corpus}/{run_date_path(job.run_id)}/{job.run_id}"


def raw_key(job: Job) -> str:
    """The page exactly as received, one source object a line."""
    return f"{_page_folder('raw', job)}/{job.page_id}.jsonl.gz"


def next_pages_key(job: Job, digest: str) -> str:
    """The pages that a page listed; `digest` is that of the object's content."""
    return f"{_page_folder('raw/_next', job)}/{job.page_id}-{digest}.jsonl.gz"


def gap_key(job: Job) -> str:
    """The marker of a page that the source would not give."""
    return f"{_page_folder('raw/_gaps', job)}/{job.page_id}.json"


def entities_key(job: Job) -> str:
    """The canonical entities of a page."""
    return f"{_page_folder('derived', job)}/entities-{job.page_id}.jsonl.gz"


def edges_key(job: Job) -> str:
    """The relation edges of a page."""
    return f"{_page_folder('derived', job)}/edges-{job.page_id}.jsonl.gz"


def rejects_key(job: Job) -> str:
    """The raw lines of a page that could not become entities."""
    return f"{_page_folder('derived/_rejects', job)}/{job.page_id}.jsonl.gz"


def chunks_key(job: Job, part: int) -> str:
    """One part of a page's chunks."""
    return f"{_page_folder('chunks', job)}/{job.page_id}-{part:04d}.jsonl.gz"


def embeddings_key(job: Job, part: int) -> str:
    """The vectors of one part, so that an index can be rebuilt without embedding again."""
    return f"{_page_folder('embeddings', job)}/{job.page_id}-{part:04d}.npz"


def embeddings_prefix(corpus: str) -> str:
    """Below it lie the vectors of a corpus, of all runs and models; ends with a slash."""
    return f"embeddings/{corpus}/"


def index_prefix(corpus: str, model: ModelIdentity) -> str:
    """The folder of one index; ends with a slash."""
    return f"indexes/{corpus}/model={model.id}/dims={model.dims}/"


def manifest_key(corpus: str, model: ModelIdentity) -> str:
    """The committed state of one index."""
    return f"{index_prefix(corpus, model)}manifest.json"


def manifest_history_prefix(corpus: str, model: ModelIdentity) -> str:
    """Where the versions before the present one are kept; ends with a slash."""
    return f"{index_prefix(corpus, model)}manifests/"


def manifest_version_key(corpus: str, model: ModelIdentity, version: int) -> str:
    """One version of the manifest that another one followed."""
    return f"{manifest_history_prefix(corpus, model)}{version:012d}.json"


def shards_prefix(corpus: str, model: ModelIdentity) -> str:
    """The folder of an index's shard files; ends with a slash."""
    return f"{index_prefix(corpus, model)}shards/"


def shard_key(corpus: str, model: ModelIdentity, shard_id: str, suffix: str) -> str:
    """One file of a shard; `suffix` is `hnsw`, `sqlite` or `npz`."""
    return f"{shards_prefix(corpus, model)}{shard_id}.{suffix}"


def maintenance_key(corpus: str, model: ModelIdentity, name: str) -> str:
    """A note that maintenance of an index leaves for its next step."""
    return f"{index_prefix(corpus, model)}maintenance/{name}"
