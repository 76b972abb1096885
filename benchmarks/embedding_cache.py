"""Vectors of texts, kept under `.local/benchmarks`: embedding 100,000 texts takes half an hour."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.build_support import repository_root
from shared.embedding.encoder import Encoder, Vectors
from shared.models.manifest import ModelIdentity

LOCAL_FOLDER = repository_root() / ".local" / "benchmarks"
TEXTS_PER_SLICE = 2048


class EmbeddingCache:
    """Embeds each text once for each model and precision, and resumes where it was stopped."""

    def __init__(self, folder: Path = LOCAL_FOLDER / "vectors") -> None:
        self._folder = folder

    def encode_documents(self, encoder: Encoder, label: str, texts: Sequence[str]) -> Vectors:
        """Return one row a text, in order, like `Encoder.encode_documents`.

        `label` tells encoders of one identity apart, by their precision or by who runs them.
        """
        folder = self._folder / _folder_name(encoder.identity, label)
        folder.mkdir(parents=True, exist_ok=True)
        slices = [
            self._slice(encoder, folder, texts[start : start + TEXTS_PER_SLICE])
            for start in range(0, len(texts), TEXTS_PER_SLICE)
        ]
        if not slices:
            return np.empty((0, encoder.identity.dims), dtype=np.float32)
        return np.concatenate(slices)

    def _slice(self, encoder: Encoder, folder: Path, texts: Sequence[str]) -> Vectors:
        digest = hashlib.sha256()
        for text in texts:
            digest.update(f"{len(text)}:{text}".encode())
        path = folder / f"{digest.hexdigest()}.npy"
        if path.is_file():
            kept: Vectors = np.load(path)
            return kept
        vectors = encoder.encode_documents(texts)
        partial = path.with_name(f".{path.name}")
        with partial.open("wb") as stream:
            np.save(stream, vectors)
        partial.replace(path)
        return vectors


def _folder_name(model: ModelIdentity, label: str) -> str:
    return f"{model.id}-{model.revision}-{label}"
