"""One shard's files: how they are named, written and read."""
