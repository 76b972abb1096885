"""Where corpora come from, and what becomes of their records: one folder for each kind."""
