"""What every encoder promises, whatever runs the model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.models.manifest import ModelIdentity

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into unit-length float32 vectors; the inner product of two is their cosine.

    Texts longer than the model's token limit are cut at it, as sentence-transformers does; a
    bound on the length of a text is the business of the API.
    """

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is; vectors of different identities never meet in one index."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Return one row a text, in order: shape (n, dims), (0, dims) for no text.

        The model's document prefix is applied.

        Raises:
            InvalidInputError: a text is not valid Unicode.
        """
        ...

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question, shape (dims,), with the model's query prefix applied.

        Raises:
            InvalidInputError: the text is not valid Unicode.
        """
        ...
