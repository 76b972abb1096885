"""What all functions that call sources build in the same way from their settings."""

from shared.platform import aws, wiring
from shared.platform.settings import SourceSettings
from shared.sources.registry import SourceTools
from shared.sources.secrets import SourceSecrets
from shared.storage.object_store import ObjectStore
from shared.web.http_get import HttpClient
from shared.web.outbound import AllowedHosts, OutboundGuard
from shared.web.rate_limits import RateLimits
from shared.web.retry import RetryPolicy, Timing, WaitPolicy


def patient_tools(settings: SourceSettings, store: ObjectStore) -> SourceTools:
    """Return the tools of a function that has no queue to return its work to: it sleeps."""
    wait_policy = WaitPolicy(
        patience_seconds=settings.maximum_wait_seconds,
        further_patience_seconds=settings.maximum_wait_seconds,
        may_postpone=False,
        maximum_refusal_seconds=settings.maximum_refusal_seconds,
    )
    return _source_tools(settings, store, wait_policy)


def postponing_tools(settings: SourceSettings, store: ObjectStore) -> SourceTools:
    """Return the tools of a queue stage: a job that has to wait goes back to its queue."""
    wait_policy = WaitPolicy(maximum_refusal_seconds=settings.maximum_refusal_seconds)
    return _source_tools(settings, store, wait_policy)


def _source_tools(
    settings: SourceSettings, store: ObjectStore, wait_policy: WaitPolicy
) -> SourceTools:
    secrets = SourceSecrets(aws.secrets_client(), settings.source_secret_prefix)
    allowed = AllowedHosts.parse(settings.outbound_allowed_hosts)
    # With a clock that is ahead, the next run would ask for changes since a time in the future.
    clock = wiring.table_clock(settings.checkpoint_table)
    return SourceTools(
        store=store,
        marvel_keys=secrets.marvel_keys,
        secret_field=secrets.field,
        rates=RateLimits(aws.dynamodb_client(), settings.checkpoint_table, clock),
        http=HttpClient(guard=OutboundGuard(allowed)),
        retry_policy=RetryPolicy(maximum_wait_seconds=settings.maximum_wait_seconds),
        wait_policy=wait_policy,
        timing=Timing(now=clock.now),
    )
