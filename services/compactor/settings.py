"""Settings of the compactor."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.index.maintenance.garbage import GarbagePolicy
from shared.platform.settings import CompactionSettings, ModelSettings

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_DEFAULTS = GarbagePolicy()


class CompactorSettings(CompactionSettings, ModelSettings):
    """What maintenance needs: the models whose indexes it keeps, and how long it keeps what.

    `work_dir` is for the files of one job; `history_kept_days` is how long a version can be
    restored, the graces how long a shard file is left that no manifest names.
    """

    work_dir: Path = Path("/tmp/compactor")  # noqa: S108 - the writable folder of a function
    history_kept_days: Annotated[float, Field(ge=0)] = _DEFAULTS.history_kept / _DAY
    removed_grace_hours: Annotated[float, Field(ge=0)] = _DEFAULTS.removed_grace / _HOUR
    orphan_grace_days: Annotated[float, Field(ge=0)] = _DEFAULTS.orphan_grace / _DAY

    @property
    def garbage_policy(self) -> GarbagePolicy:
        """When files and versions that nothing can reach any more are deleted."""
        return GarbagePolicy(
            history_kept=timedelta(days=self.history_kept_days),
            removed_grace=timedelta(hours=self.removed_grace_hours),
            orphan_grace=timedelta(days=self.orphan_grace_days),
        )
