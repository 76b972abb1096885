"""Settings of retrieve."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.models.base import CorpusName
from shared.platform.settings import ModelSettings

_MIB = 1024 * 1024
# The rest is for the model, the libraries and the answers themselves.
_SHARE_FOR_SHARDS = 0.6


class RetrieveSettings(ModelSettings):
    """What retrieve reads from its environment.

    The models and the shards are kept below `model_dir`, the shards up to `cache_limit_mb` (None:
    as many as there are). A manifest is looked at again after `manifest_recheck_seconds`.
    `memory_budget_mb` is how much of shard files one invocation may hold open; an index beyond it
    is searched by several, of the function `group_function_name` (this one unless it is set).
    """

    bucket_name: Annotated[str, Field(min_length=1)]
    default_corpus: CorpusName
    model_dir: Path = Path("/tmp/model")  # noqa: S108 - the writable folder of a function
    manifest_recheck_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    memory_budget_mb: Annotated[float, Field(gt=0)] | None = None
    cache_limit_mb: Annotated[float, Field(gt=0)] | None = None
    group_function_name: str | None = None
    aws_lambda_function_name: str | None = None
    aws_lambda_function_version: str = "$LATEST"
    aws_lambda_function_memory_size: Annotated[int, Field(gt=0)] | None = None

    @property
    def searching_function(self) -> str | None:
        """The function that searches groups of shards; None outside of a function."""
        return self.group_function_name or self.aws_lambda_function_name

    @property
    def memory_budget_bytes(self) -> int | None:
        """The memory budget: 60 % of the function's memory unless it is set; None: no limit.

        Never more than half of the cache: a new version of the shards has to fit beside the one
        that serves meanwhile.
        """
        if self.memory_budget_mb is not None:
            budget_mb: float | None = self.memory_budget_mb
        elif self.aws_lambda_function_memory_size is not None:
            budget_mb = self.aws_lambda_function_memory_size * _SHARE_FOR_SHARDS
        else:
            budget_mb = None
        limits_mb = [budget_mb, self.cache_limit_mb and self.cache_limit_mb / 2]
        known_mb = [limit for limit in limits_mb if limit is not None]
        return int(min(known_mb) * _MIB) if known_mb else None

    @property
    def cache_limit_bytes(self) -> int | None:
        """The limit of the shard files on this machine."""
        return None if self.cache_limit_mb is None else int(self.cache_limit_mb * _MIB)
