"""Whose rows a shard holds, in which versions, and which of them a filter admits."""
