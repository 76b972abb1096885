"""One folder for each deployable."""
