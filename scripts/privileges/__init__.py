"""Who may do what, read from a plan: `python -m scripts.privileges` rewrites the expected table."""
