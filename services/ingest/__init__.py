"""Plans runs: takes the corpus's lease, finds out what changed, publishes a job a page."""
