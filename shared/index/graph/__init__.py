"""The HNSW file of a shard: building, checking and searching it, with or without the graph."""
