"""An index in memory, and functions that answer what they are told to."""

import io
import json
from collections.abc import Callable
from typing import Any

from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import FileReference, ModelIdentity, ShardDescriptor
from shared.storage.keys import shard_key
from shared.storage.memory import MemoryObjectStore
from tests.unit.index.manifest_builders import no_floor

MODEL = ModelIdentity(id="tiny-model", revision="r1", dims=4)


def a_shard(number: int, model: ModelIdentity = MODEL) -> ShardDescriptor:
    shard_id = f"{number:08d}"
    return ShardDescriptor(
        shard_id=shard_id,
        origin=f"run/page/{number}",
        seq=1,
        model=model,
        vectors=10,
        entities=5,
        catalog=FileReference(
            key=shard_key("marvel", model, shard_id, "npz"), size_bytes=500_000, sha256="0" * 64
        ),
        graph=None,
        sidecar=None,
    )


class FakeFunctions:
    """Stands for the Lambda client: answers `answer`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: object = {}
        self.function_error: str | None = None
        self.asked: list[tuple[str, Any]] = []
        self.then: Callable[[], None] = lambda: None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        self.asked.append((FunctionName, json.loads(Payload)))
        self.then()
        answer: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(self.answer).encode())}
        return answer | ({"FunctionError": self.function_error} if self.function_error else {})


def manifests_of(bucket: MemoryObjectStore, model: ModelIdentity = MODEL) -> ManifestStore:
    return ManifestStore(bucket, "marvel", model)


def commit(bucket: MemoryObjectStore, versions: int, model: ModelIdentity = MODEL) -> None:
    for number in range(versions):
        manifests_of(bucket, model).commit([a_shard(number, model)], floor=no_floor)
