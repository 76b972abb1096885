"""The weekly maintenance of an index: shards that are mostly dead or too small, and garbage.

A job is for one corpus. Nothing goes through a list of corpora: each has a weekly rule of
EventBridge, made by `terraform/modules/schedule` or by `ultron corpus add`
(`services/cli/corpus/schedules.py`).
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aws_lambda_powertools.metrics import MetricUnit

from services.compactor.live_versions import open_live_catalogs
from shared.errors import NotFoundError
from shared.index.maintenance.compaction_plan import plan_merges, plan_rewrites
from shared.index.maintenance.garbage import GarbagePolicy, GarbageReport, collect_garbage
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.search.shard_cache import ShardCache
from shared.messaging.compaction_requests import CompactionRequests
from shared.models.base import CorpusName
from shared.models.manifest import Manifest, ModelIdentity
from shared.platform.observability import logger, metrics
from shared.storage.object_store import ObjectStore
from shared.table.table_clock import TableClock


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """How many merges of how many shards were requested, and what was collected."""

    rewrites: int = 0
    merges: int = 0
    garbage: GarbageReport = field(default_factory=GarbageReport)


@dataclass(frozen=True, slots=True)
class Maintainer:
    """Maintains the indexes of one model.

    `clock` is the table's: a machine that is days ahead would delete files that are new.
    """

    store: ObjectStore
    model: ModelIdentity
    work_directory: Path
    requests: CompactionRequests
    garbage: GarbagePolicy
    clock: TableClock

    def maintain(self, corpus: CorpusName) -> MaintenanceReport:
        """Ask for the compactions of a corpus's index, then collect its garbage.

        Raises:
            CorruptObjectError: the manifest or a catalog cannot be read; names the key.
            ConflictError: another collection is at work.
        """
        try:
            manifest = ManifestStore(self.store, corpus, self.model).read().manifest
        except NotFoundError:
            logger.info("there is no index to maintain", extra={"corpus": corpus})
            return MaintenanceReport()
        policy = self.requests.policy
        rewrites = plan_rewrites(manifest.shards, self._live_rows(manifest), policy)
        rewritten = {shard.shard_id for group in rewrites for shard in group}
        rest = [shard for shard in manifest.shards if shard.shard_id not in rewritten]
        report = MaintenanceReport(
            rewrites=self.requests.request(manifest, rewrites),
            merges=self.requests.request(manifest, plan_merges(rest, policy)),
            garbage=collect_garbage(self.store, corpus, self.model, self.garbage, self.clock.now()),
        )
        metrics.add_metric("GarbageFiles", MetricUnit.Count, report.garbage.files_deleted)
        logger.info("maintained", extra={"corpus": corpus, **asdict(report)})
        return report

    def _live_rows(self, manifest: Manifest) -> Mapping[str, int]:
        """How many rows of each shard are live."""
        self.work_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work_directory) as folder:
            found = open_live_catalogs(manifest.shards, ShardCache(self.store, Path(folder)))
            return {
                shard.shard_id: int(live.live[live.catalog.row_entities].sum())
                for shard, live in zip(manifest.shards, found, strict=True)
            }
