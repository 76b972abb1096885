"""Where corpora come from: one class a source, behind the `Source` protocol."""
