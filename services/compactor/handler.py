"""Lambda entry of the compactor: compact-jobs, or a task asked for by a direct invocation."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from services.compactor.compact import Compactor
from services.compactor.maintain import Maintainer
from services.compactor.mark_bad import ShardMarker
from services.compactor.rebuild.rebuild_index import Rebuilder
from services.compactor.request import parse_request
from services.compactor.restore import Restorer
from services.compactor.settings import CompactorSettings
from services.compactor.sweep.completion import Completion
from services.compactor.sweep.sweep_run import Sweeper
from services.compactor.tasks import Tasks
from shared.corpora.compaction_claims import CompactionClaims
from shared.corpora.documents import CorpusRegistry
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.embedding.model_files import read_model_identity
from shared.messaging.compaction_requests import CompactionRequests
from shared.messaging.maintenance_stage import MaintenanceStage
from shared.messaging.publisher import JobPublisher
from shared.models.maintenance import CompactJob, MaintenanceJob
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer

_STAGE = "compactor"


@cache
def _compaction_requests() -> CompactionRequests:
    settings = CompactorSettings.load()
    table = settings.checkpoint_table
    return CompactionRequests(
        JobPublisher(aws.sqs_client(), settings.compact_queue_url),
        CompactionClaims(aws.dynamodb_client(), table, wiring.table_clock(table)),
        settings.compaction_policy,
    )


@cache
def _corpora() -> CorpusRegistry:
    return CorpusRegistry(aws.ssm_client(), CompactorSettings.load().corpora_parameter_path)


def _tasks_for(corpus: str) -> Tasks:
    """The tasks on the index of a corpus under its model.

    Raises:
        NotFoundError, SettingsError: there is no such corpus, or its model is not deployed.
    """
    return _tasks(CompactorSettings.load().models.of(_corpora().get(corpus)))


def _do(job: MaintenanceJob) -> None:
    if isinstance(job, CompactJob):  # it names its model, which the corpus may not have any more
        _tasks(CompactorSettings.load().model_prefix).do_job(job)
    else:
        _tasks_for(job.corpus).do_job(job)


@cache
def _tasks(model_prefix: str) -> Tasks:
    settings = CompactorSettings.load()
    store, folder = wiring.object_store(settings), settings.work_dir
    table = settings.checkpoint_table
    model = read_model_identity(store, model_prefix)
    runs = wiring.run_store(table, settings.compact_queue_url)
    client = aws.dynamodb_client()
    state, clock = wiring.corpus_state(table), wiring.table_clock(table)
    versions, floor = EntityVersions(client, table), IndexFloor(client, table)
    requests, threads = _compaction_requests(), os.cpu_count() or 1
    rebuilder = Rebuilder(
        store=store,
        model=model,
        runs=runs,
        state=state,
        floor=floor,
        versions=versions,
        publisher=requests.publisher,
        work_directory=folder,
        maximum_bytes=settings.compaction_policy.maximum_bytes,
        threads=threads,
    )
    return Tasks(
        Compactor(
            store,
            folder,
            requests.request_merges,
            clock,
            settings.garbage_policy.notes_kept,
            threads,
        ),
        Sweeper(
            store=store,
            model=model,
            runs=runs,
            state=state,
            floor=floor,
            versions=versions,
            corpora=_corpora(),
            completion=Completion(store, model, versions, folder),
            work_directory=folder,
        ),
        Maintainer(store, model, folder, requests, settings.garbage_policy, clock),
        rebuilder,
        Restorer(
            store=store,
            model=model,
            runs=runs,
            state=state,
            floor=floor,
            versions=versions,
            work_directory=folder,
        ),
        ShardMarker(
            store=store,
            model=model,
            runs=runs,
            state=state,
            floor=floor,
            versions=versions,
            rebuilder=rebuilder,
            work_directory=folder,
        ),
    )


@cache
def _stage() -> MaintenanceStage:
    settings = CompactorSettings.load()
    # The tasks are made within a job, so that an error in making them fails that job.
    return MaintenanceStage(_STAGE, _do, wiring.stage_state(settings))


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the jobs of a batch of messages, or the one task of a direct invocation."""
    if "Records" in event:
        return _stage().process(event, context)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    request = parse_request(event)
    return _tasks_for(request.corpus).answer(request)
