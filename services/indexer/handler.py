"""Lambda entry of the indexer: index-jobs in, a new manifest out."""

from functools import cache
from typing import Any

from services.indexer.group_commit import GroupCommitter
from services.indexer.settings import IndexerSettings
from shared.corpora.compaction_claims import CompactionClaims
from shared.corpora.index_floor import IndexFloor
from shared.messaging.compaction_requests import CompactionRequests
from shared.messaging.publisher import JobPublisher
from shared.messaging.stage import QueueBatchStage
from shared.models.jobs import IndexJob
from shared.platform import aws, wiring
from shared.platform.observability import logger, metrics, tracer


@cache
def _stage() -> QueueBatchStage[IndexJob]:
    settings = IndexerSettings.load()
    table = settings.checkpoint_table
    state = wiring.stage_state(settings)
    requests = CompactionRequests(
        JobPublisher(aws.sqs_client(), settings.compact_queue_url),
        CompactionClaims(aws.dynamodb_client(), table, wiring.table_clock(table)),
        settings.compaction_policy,
    )
    committer = GroupCommitter(
        store=wiring.object_store(settings),
        runs=state.runs,
        floor=IndexFloor(aws.dynamodb_client(), settings.checkpoint_table),
        request_merges=requests.request_merges,
    )
    return QueueBatchStage("indexer", IndexJob, committer.commit_batch, state)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Commit the shards of a batch of messages."""
    return _stage().process(event, context)
