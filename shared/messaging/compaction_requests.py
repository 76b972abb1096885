"""Asks the compactor to merge the shards that a manifest has too many of."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.corpora.compaction_claims import CompactionClaims
from shared.index.maintenance.compaction_plan import CompactionPolicy, ShardGroup, plan_merges
from shared.messaging.publisher import JobPublisher
from shared.models.maintenance import CompactJob
from shared.models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class CompactionRequests:
    """Plans and publishes compactions; a shard is asked for once an hour at most."""

    publisher: JobPublisher
    claims: CompactionClaims
    policy: CompactionPolicy

    def request_merges(self, manifest: Manifest) -> int:
        """Ask for what the plan says; return for how many merges."""
        return self.request(manifest, plan_merges(manifest.shards, self.policy))

    def request(self, manifest: Manifest, groups: Iterable[ShardGroup]) -> int:
        """Ask for these merges, but for those with a shard that was asked for just now."""
        jobs = [
            CompactJob(
                corpus=manifest.corpus,
                model=manifest.model,
                shard_ids=tuple(shard.shard_id for shard in group),
            )
            for group in groups
            if self.claims.claim(manifest.corpus, [shard.shard_id for shard in group])
        ]
        self.publisher.publish(jobs)
        return len(jobs)
