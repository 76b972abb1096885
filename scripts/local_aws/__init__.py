"""The embedded local AWS: one MiniStack process in a virtual environment of its own."""
