"""The embedded local AWS: one MiniStack process in its own virtual environment."""
