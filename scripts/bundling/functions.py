"""Which functions there are and which layers each stands on: the table of docs/architecture.md."""

from collections.abc import Mapping
from typing import Literal

LayerName = Literal["core", "embedding", "chat"]

LAYERS: tuple[LayerName, ...] = ("core", "embedding", "chat")

FUNCTIONS: Mapping[str, tuple[LayerName, ...]] = {
    "ingest": ("core",),
    "fetch": ("core",),
    "derive": ("core",),
    "chunker": ("core",),
    "embedder": ("core", "embedding"),
    "indexer": ("core",),
    "compactor": ("core", "embedding"),
    "retrieve": ("core", "embedding"),
    "orchestrator": ("core", "chat"),
}
