"""Which shard a damaged file belongs to, and the command that takes it out of the index."""

from shared.errors import CorruptObjectError, DamagedIndexError
from shared.models.base import CorpusName
from shared.models.manifest import ShardDescriptor


def damaged_shard(corpus: CorpusName, shard: ShardDescriptor) -> DamagedIndexError:
    """The error that names a shard; raise it from the one that says what is wrong."""
    return DamagedIndexError(
        f"shard {shard.shard_id} of the index of corpus {corpus} is missing or damaged; take it "
        f"out with `ultron index mark-bad --corpus {corpus} --shard {shard.shard_id}`, which "
        "also has what it held indexed again"
    )


def is_about(shard: ShardDescriptor, error: CorruptObjectError) -> bool:
    """Whether an error is about a file of a shard.

    Messages about a file begin with its key. What else they say may come from the file.
    """
    return any(str(error).startswith(f"{file.key} ") for file in shard.files)
