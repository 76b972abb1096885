"""Fetches the planned pages of a source and keeps them exactly as received."""
