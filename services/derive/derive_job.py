"""The work of derive for one page."""

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from shared.canonical.page import DerivedPage, derive_page
from shared.canonical.records import RecordContext
from shared.corpora.documents import CorpusRegistry
from shared.messaging.publisher import JobPublisher
from shared.models.jobs import ChunkJob, DeriveJob
from shared.platform.observability import logger, metrics
from shared.runs.run_store import RunStore
from shared.sources.canonicalisers import canonicaliser
from shared.sources.raw_object import read_attribution
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Deriver:
    """Reads a raw page, writes its entities, edges and rejects, publishes its chunk job."""

    store: ObjectStore
    corpora: CorpusRegistry
    publisher: JobPublisher
    runs: RunStore

    def derive(self, job: DeriveJob) -> None:
        """Do the job; running it again writes the same bytes to the same keys.

        Raises:
            CorruptObjectError: the raw object cannot be read.
        """
        raw = self.store.get(job.raw_key)
        context = RecordContext(job.endpoint, job.run_id, read_attribution(raw.metadata))
        canonicalise = canonicaliser(self.corpora.get(job.corpus))
        page = derive_page(jsonl.decode_lines(raw.data, job.raw_key), canonicalise, context)
        self._write(job, page)
        rejects = len(page.rejects) - page.left_out
        if rejects:
            logger.warning(
                "rejected raw lines", extra={"rejects": rejects, "key": keys.rejects_key(job)}
            )
        self.publisher.publish([_chunk_job(job)])
        counts = {
            "entities": len(page.entities),
            "edges": len(page.edges),
            "rejects": rejects,
            "left_out": page.left_out,
        }
        if self.runs.ledger.record_stage(job, "derive", counts):
            metrics.add_metric("Entities", MetricUnit.Count, len(page.entities))
            metrics.add_metric("Rejects", MetricUnit.Count, rejects)

    def _write(self, job: DeriveJob, page: DerivedPage) -> None:
        # All three are always written: a page derived again after a fix must not keep old rejects.
        for key, records in (
            (keys.rejects_key(job), page.rejects),
            (keys.edges_key(job), page.edges),
            (keys.entities_key(job), page.entities),
        ):
            body = jsonl.encode_models(records)
            self.store.put(key, body, content_type=jsonl.CONTENT_TYPE)


def _chunk_job(job: DeriveJob) -> ChunkJob:
    return ChunkJob(
        corpus=job.corpus,
        run_id=job.run_id,
        page_id=job.page_id,
        seq=job.seq,
        entities_key=keys.entities_key(job),
    )
