"""The work of fetch for one page."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aws_lambda_powertools.metrics import MetricUnit

from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusRegistry
from shared.errors import (
    ConflictError,
    PostponedError,
    RunCancelledError,
    SourceError,
    SourceUnavailableError,
)
from shared.messaging.publisher import JobPublisher
from shared.models.corpus import Corpus
from shared.models.jobs import DeriveJob, PageJob
from shared.platform.observability import logger, metrics
from shared.runs.run_store import RunStore
from shared.sources.base import FetchedPage, Source, query_hash
from shared.sources.raw_object import raw_metadata, read_next_pages_key
from shared.storage import jsonl, keys
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class _KeptPage:
    """A page as its first delivery received it: what later deliveries receive is dropped."""

    records: int
    etag: str | None
    next_pages: Sequence[PageJob]


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches a page, writes its raw object, publishes its derive job and the pages it listed."""

    store: ObjectStore
    corpora: CorpusRegistry
    make_source: Callable[[Corpus], Source]
    publisher: JobPublisher
    page_queue: JobPublisher
    runs: RunStore
    state: CorpusState
    now: Callable[[], datetime]
    maximum_postponements: int

    def fetch(self, job: PageJob) -> None:
        """Do the job; a page that the source will not give becomes a gap, and the run goes on.

        Raises:
            PostponedError: the source is not to be called yet.
        """
        corpus = self.corpora.get(job.corpus)
        page_hash = query_hash(job.endpoint, job.query)
        try:
            source = self.make_source(corpus)
            known_etag = self._known_etag(job, page_hash)
            page = source.fetch(job.endpoint, job.query, known_etag)
        except SourceError as error:
            self._leave_gap(job, error)
            return
        except PostponedError as error:
            if job.postponements < self.maximum_postponements:
                raise
            self._leave_gap(job, _waited_too_often(job, error))
            return
        if page.is_not_modified:
            if known_etag is not None:
                self.state.confirm_page_etag(job.corpus, page_hash, known_etag, job.seq)
            self.runs.ledger.end_page(job, "unchanged")
            return
        kept = self._keep(job, corpus.source.kind, page)
        try:
            self._chain(job, kept.next_pages)
        except RunCancelledError:
            logger.info("left a page of a cancelled run", extra={"page_id": job.page_id})
            return
        self.publisher.publish([_derive_job(job)])
        is_first = self.runs.ledger.record_stage(
            job, "fetch", {"raw_records": kept.records}, etag=kept.etag, query_hash=page_hash
        )
        if is_first:
            metrics.add_metric("RawRecords", MetricUnit.Count, kept.records)

    def _chain(self, job: PageJob, next_pages: Sequence[PageJob]) -> None:
        added = self.runs.joining.add_next_pages(job, next_pages)
        for gap in added.gaps:
            reason = gap.gap_reason or ""
            self._mark_gap(gap.job, reason.partition(":")[0], reason)
        self.page_queue.publish(added.unfetched)

    def _known_etag(self, job: PageJob, page_hash: str) -> str | None:
        """Return the etag of what is indexed of the page; a full run reads everything again."""
        etag_since = partial(self.state.page_etag, job.corpus, page_hash)
        if etag_since(since_seq=0) is None:
            return None  # as of most pages; the run need not be read
        run = self.runs.reader.get_run(job.run_id).run
        return None if run.mode == "full" else etag_since(since_seq=run.trusted_seq)

    def _keep(self, job: PageJob, source: str, page: FetchedPage) -> _KeptPage:
        """Keep the page unless an earlier delivery kept it: its records and the pages it listed
        belong together, and a source may answer otherwise each time.
        """
        next_pages = _next_jobs(job, page)
        try:
            self.store.put(
                keys.raw_key(job),
                jsonl.encode_lines(page.lines),
                content_type=jsonl.CONTENT_TYPE,
                metadata=raw_metadata(job, source, page, self._write_down(job, next_pages)),
                if_absent=True,
            )
        except ConflictError:
            return self._kept_before(job)
        return _KeptPage(len(page.lines), page.etag, next_pages)

    def _write_down(self, job: PageJob, next_pages: Sequence[PageJob]) -> str | None:
        if not next_pages:
            return None
        data = jsonl.encode_models(next_pages)
        key = keys.next_pages_key(job, hashlib.sha256(data).hexdigest()[:16])
        self.store.put(key, data, content_type=jsonl.CONTENT_TYPE)
        return key

    def _kept_before(self, job: PageJob) -> _KeptPage:
        raw = self.store.get(keys.raw_key(job))
        records = sum(1 for _ in jsonl.decode_lines(raw.data, raw.key))
        key = read_next_pages_key(raw.metadata)
        lines = () if key is None else jsonl.decode_lines(self.store.get(key).data, key)
        next_pages = [PageJob.model_validate_json(line) for line in lines]
        return _KeptPage(records, raw.metadata.get("etag"), next_pages)

    def _leave_gap(self, job: PageJob, error: SourceError) -> None:
        if self.runs.ledger.is_recorded(job, "fetch"):
            return  # another delivery of this job was luckier
        reason = f"{error.code}: {error}"
        logger.warning("left a gap", extra={"page_id": job.page_id, "reason": reason})
        self._mark_gap(job, error.code, str(error))
        self.runs.ledger.end_page(job, "gap", reason)
        metrics.add_metric("Gaps", MetricUnit.Count, 1)

    def _mark_gap(self, job: PageJob, code: str, message: str) -> None:
        marker = {
            "endpoint": job.endpoint,
            "page_id": job.page_id,
            "query": job.query,
            "code": code,
            "message": message,
            "at": self.now().isoformat(timespec="milliseconds"),
        }
        self.store.put(
            keys.gap_key(job),
            json.dumps(marker, ensure_ascii=False, indent=2).encode(),
            content_type="application/json",
        )


def _next_jobs(job: PageJob, page: FetchedPage) -> list[PageJob]:
    return [
        PageJob(
            corpus=job.corpus,
            run_id=job.run_id,
            page_id=following.page_id,
            seq=job.seq,
            endpoint=following.endpoint,
            query=dict(following.query),
        )
        for following in page.next_pages
    ]


def _waited_too_often(job: PageJob, error: PostponedError) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"gave up after waiting {job.postponements} times: {error}; "
        "raise the rate of the corpus's source, or retry the gaps later"
    )


def _derive_job(job: PageJob) -> DeriveJob:
    return DeriveJob(
        corpus=job.corpus,
        run_id=job.run_id,
        page_id=job.page_id,
        seq=job.seq,
        endpoint=job.endpoint,
        raw_key=keys.raw_key(job),
    )
