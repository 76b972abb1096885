"""The HTTP client of sources: where it may connect, how fast, and how often it asks again."""
