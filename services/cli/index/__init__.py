"""`ultron index`: versions and shards of an index, its repair, and its recall."""
