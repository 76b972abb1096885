"""`model.json`: what an exported embedding model is, beside its files in S3."""

from typing import Annotated, Literal

from pydantic import Field

from shared.models.base import Contract
from shared.models.manifest import ModelIdentity, Sha256


class ModelFile(Contract):
    """One file of the bundle, relative to `model.json`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256


class ModelBundle(Contract):
    """The contents of `model.json`.

    The ONNX graph takes `input_ids` (int64, batch x tokens; the rows of a batch have one length, so
    there is no mask) and returns `embeddings` (float32, batch x dims), pooled and of unit length.
    `query_prefix` is put before queries, `document_prefix` before documents; the graph repeats both
    in its metadata, so that its sha256, and with it the revision, changes with either.
    """

    identity: ModelIdentity
    precision: Literal["fp32", "int8-weights", "int8-dynamic"]
    pooling: Literal["mean", "cls"]
    max_tokens: Annotated[int, Field(ge=8, le=8192)]
    query_prefix: str = ""
    document_prefix: str = ""
    source: str
    files: Annotated[tuple[ModelFile, ...], Field(min_length=2)]
