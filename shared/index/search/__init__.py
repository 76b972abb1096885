"""Search over all shards of an index, in one process or in several."""
