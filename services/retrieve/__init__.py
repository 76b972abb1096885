"""`GET /retrieve`: the passages of a corpus that answer a question."""
