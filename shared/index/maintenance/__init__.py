"""What keeps an index small and clean: merges, rebuilt shards, collecting garbage."""
