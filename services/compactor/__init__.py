"""Keeps indexes small and clean: merges shards, sweeps, restores, rebuilds, collects garbage."""
