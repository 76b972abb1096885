"""From the weights of a sentence-transformers model to a model bundle, without torch."""
