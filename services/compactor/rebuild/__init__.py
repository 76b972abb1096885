"""Makes an index again from the vectors that are stored for each part of a run."""
