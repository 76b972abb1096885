"""`ultron retrieve` and `ultron chat`: questions to the deployed API."""
