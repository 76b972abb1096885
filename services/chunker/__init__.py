"""Cuts the entities of a page into chunks and distributes them over embed jobs."""
