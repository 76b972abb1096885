"""Any model of sentence-transformers, on CPU or GPU: for workstations, and as the oracle of tests.

The library is no dependency of the functions: it is imported when an encoder is made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from shared.embedding.encoder import Vectors
from shared.errors import SettingsError
from shared.models.manifest import ModelIdentity


class SentenceTransformersEncoder:
    """Implements `Encoder` with `sentence_transformers.SentenceTransformer`."""

    def __init__(
        self,
        folder: Path,
        *,
        model_id: str,
        revision: str,
        query_prefix: str = "",
        document_prefix: str = "",
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        """Load a model folder.

        Args:
            folder: a folder in the layout of sentence-transformers.
            model_id: the id under which the vectors are kept.
            revision: which weights these are.
            query_prefix: put before queries.
            document_prefix: put before documents.
            device: `cpu`, `cuda`, …; None lets the library choose.
            batch_size: texts at a time.

        Raises:
            SettingsError: sentence-transformers is not installed.
        """
        try:
            import sentence_transformers
        except ModuleNotFoundError as error:
            raise SettingsError(
                "sentence-transformers is not installed; "
                "install requirements/parity.txt into a separate environment"
            ) from error
        # Untyped: the library is absent wherever the type checker runs.
        self._model: Any = sentence_transformers.SentenceTransformer(str(folder), device=device)
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix
        self._batch_size = batch_size
        dims = self._model.get_embedding_dimension()
        self._identity = ModelIdentity(id=model_id, revision=revision, dims=dims)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Return one unit-length row a text, in order."""
        return self._encode([self._document_prefix + text for text in texts])

    def encode_query(self, text: str) -> Vectors:
        """Return the unit-length vector of a question."""
        return cast(Vectors, self._encode([self._query_prefix + text])[0])

    def _encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self._identity.dims), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return cast(Vectors, vectors.astype(np.float32, copy=False))
