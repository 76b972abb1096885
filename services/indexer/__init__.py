"""Commits finished shards to the manifests of their indexes."""
