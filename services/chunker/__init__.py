"""Cuts the entities of a page into chunks and shares them out over embed jobs."""
