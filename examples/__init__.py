"""Complete corpora, and what serves them, to try the project on."""
