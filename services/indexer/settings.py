"""Settings of the indexer."""

from shared.settings import CompactionSettings


class IndexerSettings(CompactionSettings):
    """What every queue stage needs that may ask for compactions, and nothing else."""
