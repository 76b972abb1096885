"""The work of fetch for one page."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools.metrics import MetricUnit

from shared.corpora import CorpusRegistry
from shared.errors import SourceError
from shared.messaging.publisher import JobPublisher
from shared.models.corpus import Corpus
from shared.models.jobs import DeriveJob, PageJob
from shared.observability import logger, metrics
from shared.sources.base import FetchedPage, Source, query_hash
from shared.sources.raw_object import raw_metadata
from shared.state.corpus_state import CorpusState
from shared.state.runs import RunStore
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches a page, writes its raw object, publishes its derive job."""

    store: ObjectStore
    corpora: CorpusRegistry
    make_source: Callable[[Corpus], Source]
    publisher: JobPublisher
    runs: RunStore
    state: CorpusState
    now: Callable[[], datetime]

    def fetch(self, job: PageJob) -> None:
        """Do the job; a page that the source will not give becomes a gap, and the run goes on."""
        corpus = self.corpora.get(job.corpus)
        page_hash = query_hash(job.endpoint, job.query)
        try:
            source = self.make_source(corpus)
            page = source.fetch(job.endpoint, job.query, self._known_etag(job, page_hash))
        except SourceError as error:
            self._leave_gap(job, error)
            return
        if page.is_not_modified:
            self.runs.end_page(job, "unchanged")
            return
        self._keep(job, corpus.source.kind, page)
        self.publisher.publish([_derive_job(job)])
        is_first = self.runs.record_stage(
            job,
            "fetch",
            {"raw_records": len(page.lines)},
            etag=page.etag,
            query_hash=page_hash,
        )
        if is_first:
            metrics.add_metric("RawRecords", MetricUnit.Count, len(page.lines))

    def _known_etag(self, job: PageJob, page_hash: str) -> str | None:
        """Return the etag of what is indexed of the page; a full run reads everything anew."""
        etag = self.state.page_etag(job.corpus, page_hash)
        if etag is None or self.runs.get_run(job.run_id).run.mode == "full":
            return None
        return etag

    def _keep(self, job: PageJob, source: str, page: FetchedPage) -> None:
        self.store.put(
            keys.raw_key(job),
            jsonl.encode_lines(page.lines),
            content_type=jsonl.CONTENT_TYPE,
            metadata=raw_metadata(job, source, page),
        )

    def _leave_gap(self, job: PageJob, error: SourceError) -> None:
        reason = f"{error.code}: {error}"
        logger.warning("left a gap", extra={"page_id": job.page_id, "reason": reason})
        marker = {
            "endpoint": job.endpoint,
            "page_id": job.page_id,
            "query": job.query,
            "code": error.code,
            "message": str(error),
            "at": self.now().isoformat(timespec="milliseconds"),
        }
        self.store.put(
            keys.gap_key(job),
            json.dumps(marker, ensure_ascii=False, indent=2).encode(),
            content_type="application/json",
        )
        self.runs.end_page(job, "gap", reason)
        metrics.add_metric("Gaps", MetricUnit.Count, 1)


def _derive_job(job: PageJob) -> DeriveJob:
    return DeriveJob(
        corpus=job.corpus,
        run_id=job.run_id,
        page_id=job.page_id,
        seq=job.seq,
        endpoint=job.endpoint,
        raw_key=keys.raw_key(job),
    )
