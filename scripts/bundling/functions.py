"""Which functions there are and which layers each has: the table of docs/why/architecture.md."""

from collections.abc import Mapping
from typing import Literal

LayerName = Literal["core", "sources", "embedding", "chat"]

LAYERS: tuple[LayerName, ...] = ("core", "sources", "embedding", "chat")

FUNCTIONS: Mapping[str, tuple[LayerName, ...]] = {
    "ingest": ("core", "sources"),
    "fetch": ("core", "sources"),
    "derive": ("core", "sources"),
    "chunker": ("core",),
    "embedder": ("core", "embedding"),
    "indexer": ("core",),
    "compactor": ("core", "embedding"),
    "retrieve": ("core", "embedding"),
    "orchestrator": ("core", "chat"),
}
