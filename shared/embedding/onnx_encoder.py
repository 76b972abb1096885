"""The encoder of the functions: onnxruntime and tokenizers, without torch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors
from tokenizers import Tokenizer

from shared.embedding.batches import plan_batches
from shared.embedding.encoder import Vectors
from shared.embedding.model_files import (
    DESCRIPTION_NAME,
    GRAPH_NAME,
    TOKENIZER_NAME,
    LocalModel,
    open_model_directory,
)
from shared.embedding.onnx_session import has_exact_byte_products, open_session
from shared.errors import CorruptObjectError, InvalidInputError
from shared.models.manifest import ModelIdentity

INPUT_NAME = "input_ids"
# What onnxruntime raises at a graph that it cannot parse or run; no memory is a RuntimeException.
_UNUSABLE_GRAPH = (
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.Fail,
)
TEXTS_PER_TOKENIZER_CALL = 512


def available_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """How the model runs.

    `threads` of 0 means every CPU this process may use; each takes whole batches, which costs less
    than sharing every product. `tokens_per_batch` bounds the size of a batch: small ones are the
    fastest on CPUs, as their activations stay in the cache (`benchmarks/embed.py` measures it).
    """

    threads: int = 0
    tokens_per_batch: int = 256


class OnnxEncoder:
    """Implements `Encoder`; safe to call from several threads."""

    def __init__(self, model: LocalModel, options: OnnxOptions | None = None) -> None:
        """Load the graph and the tokenizer of a checked bundle.

        Raises:
            CorruptObjectError: onnxruntime or tokenizers cannot load a file of the bundle.
        """
        self._bundle = model.bundle
        self._options = options or OnnxOptions()
        self._tokenizer = _load_tokenizer(model.directory / TOKENIZER_NAME, self._bundle.max_tokens)
        self._session = _load_session(model.directory / GRAPH_NAME)
        self._require_its_prefixes(model.directory / GRAPH_NAME)

    @classmethod
    def from_directory(cls, directory: Path, options: OnnxOptions | None = None) -> "OnnxEncoder":
        """Open a model folder that is on this machine already, as `build_model.py` writes it."""
        return cls(open_model_directory(directory), options)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._bundle.identity

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Return one unit-length row a text, in order, with the document prefix before each text.

        The vector of a text depends neither on the other texts nor on the number of threads.
        """
        rows = self._tokenize(texts, self._bundle.document_prefix)
        vectors = np.empty((len(rows), self.identity.dims), dtype=np.float32)

        def encode(positions: list[int]) -> None:
            vectors[positions] = self._run([rows[position] for position in positions])

        lengths = [len(row) for row in rows]
        batches = list(plan_batches(lengths, self._options.tokens_per_batch))
        threads = min(self._options.threads or available_cpus(), len(batches))
        if threads <= 1:
            for batch in batches:
                encode(batch)
        else:
            # A new pool for each call: a frozen or forked process would lose a lasting one.
            with ThreadPoolExecutor(threads, thread_name_prefix="encode") as pool:
                list(pool.map(encode, batches))
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """Return the unit-length vector of a question."""
        return cast(Vectors, self._run(self._tokenize([text], self._bundle.query_prefix))[0])

    def has_word(self, word: str) -> bool:
        """Whether a lower-case word is one token, as it is or as a name is written."""
        for written in (word, word.capitalize()):
            ids = self._tokenizer.encode(written, add_special_tokens=False).ids
            # The token of what is unknown is decoded to nothing.
            if len(ids) == 1 and self._tokenizer.decode(ids).strip().lower() == word:
                return True
        return False

    def _require_its_prefixes(self, graph: Path) -> None:
        """Refuse a description that was changed: the revision vouches for the graph's prefixes.

        With other ones, vectors that do not fit together would meet in one index.
        """
        known = self._session.get_modelmeta().custom_metadata_map
        for name in ("query_prefix", "document_prefix"):
            described, kept = getattr(self._bundle, name), known.get(name, "")
            if described != kept:
                raise CorruptObjectError(
                    f"{graph.parent / DESCRIPTION_NAME} says {name} {described!r} where the graph "
                    f"was built with {kept!r}; build the model again with the prefix that is meant"
                )

    def _tokenize(self, texts: Sequence[str], prefix: str) -> list[list[int]]:
        """Token ids of each text behind the prefix, cut at the model's limit.

        In slices: an encoding takes many times the room of the ids that are kept of it.
        """
        rows: list[list[int]] = []
        remaining = iter(texts)
        while part := list(islice(remaining, TEXTS_PER_TOKENIZER_CALL)):
            for position, text in enumerate(part, start=len(rows)):
                _require_unicode(text, position)
            prefixed = [prefix + text for text in part]
            rows.extend(encoding.ids for encoding in self._tokenizer.encode_batch_fast(prefixed))
        return rows

    def _run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """The vectors of rows of one length."""
        inputs = {INPUT_NAME: np.array(rows, dtype=np.int64)}
        return cast(Vectors, self._session.run(["embeddings"], inputs)[0])


def _require_unicode(text: str, position: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"text {position} holds a lone surrogate at character {error.start}; send valid Unicode"
        ) from error


def _load_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    data = path.read_bytes()  # what fails here says nothing about the bytes
    # The Rust library raises a bare Exception for whatever it cannot parse, and nothing below it.
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        raise CorruptObjectError(f"tokenizers cannot load {path}: {error}") from error
    tokenizer.enable_truncation(max_length=max_tokens)
    tokenizer.no_padding()
    return tokenizer


def _load_session(path: Path) -> onnxruntime.InferenceSession:
    exact = has_exact_byte_products()
    try:
        session = open_session(path, byte_products_are_exact=exact)
    except _UNUSABLE_GRAPH as error:
        raise CorruptObjectError(f"onnxruntime cannot load {path}: {error}") from error
    names = [value.name for value in session.get_inputs()]
    if names != [INPUT_NAME]:
        raise CorruptObjectError(
            f"{path} takes {', '.join(names)} where this release gives {INPUT_NAME} alone; "
            "build the model again"
        )
    return session
