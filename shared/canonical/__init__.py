"""From raw lines to entities, relation edges and rejects: pure functions, one form a source."""
