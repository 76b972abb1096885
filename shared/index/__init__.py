"""The index engine: immutable shards, the manifest that names them, and search. Knows no AWS."""
