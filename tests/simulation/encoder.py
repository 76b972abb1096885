"""A model without weights: a text's vector is drawn from its hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.embedding.encoder import Vectors
from shared.models.manifest import ModelIdentity

DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class HashEncoder:
    """Gives equal texts equal vectors of length 1."""

    model: ModelIdentity

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self.model

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text."""
        return np.array([self._vector(text) for text in texts], np.float32).reshape(-1, DIMENSIONS)

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question."""
        return self._vector(text)

    def _vector(self, text: str) -> Vectors:
        digest = hashlib.sha256(f"{self.model.id}/{text}".encode()).digest()
        raw = np.frombuffer(digest, np.uint8)[:DIMENSIONS].astype(np.float32) + 1.0
        vector: Vectors = raw / np.linalg.norm(raw)
        return vector


@dataclass(frozen=True, slots=True)
class HashModel:
    """The model as the embedder is given it."""

    model: ModelIdentity

    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self.model

    def encoder(self) -> HashEncoder:
        """Load it."""
        return HashEncoder(self.model)
