"""Settings of the indexer."""

from shared.platform.settings import CompactionSettings


class IndexerSettings(CompactionSettings):
    """What every queue stage needs that may ask for compactions, and nothing else."""
