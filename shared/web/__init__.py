"""The HTTP client of sources: where it may connect, how fast, how often, and with which keys."""
