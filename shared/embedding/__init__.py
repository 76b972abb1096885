"""Text to vectors: the Encoder protocol, its encoders, and model bundles from the object store."""
