"""Settings of the indexer."""

from shared.settings import StageSettings


class IndexerSettings(StageSettings):
    """What every queue stage needs, and nothing else."""
