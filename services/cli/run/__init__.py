"""`ultron ingest` and `ultron run`: starting, steering and watching runs."""
