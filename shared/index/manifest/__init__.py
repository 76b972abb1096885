"""The manifest of an index: its shards, its versions, and how one follows another."""
