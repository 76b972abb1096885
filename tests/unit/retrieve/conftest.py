"""A deployment in memory: a small real ONNX model, an index of a few rows, the real API."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from scripts.model_export.export import export_bundle
from services.retrieve.api import answer_directly, build_api
from services.retrieve.library import Elsewhere, IndexLibrary, LibrarySettings
from services.retrieve.retriever import Retriever
from shared.embedding.deployed_models import DeployedModels
from shared.embedding.model_files import publish_model_bundle
from shared.embedding.model_prefixes import ModelPrefixes
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.errors import NotFoundError
from shared.index.manifest.manifest_store import ManifestStore
from shared.index.shard.shard_writer import ShardSource, collect_content, write_shard
from shared.models.chunk import Chunk, ChunkMetadata, CoveredEntity
from shared.models.corpus import Corpus
from shared.models.entity import Scalar
from shared.models.manifest import ModelIdentity
from shared.models.sources import JsonlSource
from shared.storage.memory import MemoryObjectStore
from tests.unit.embedding.conftest import ModelFolder, model_folder
from tests.unit.index.manifest_builders import no_floor

__all__ = ["model_folder"]

Fields = dict[str, Scalar | list[Scalar]]

TEXTS = {
    "comic:1": ("w1 w2 w3", "2020-01-01"),
    "comic:2": ("w4 w5 w6", "2021-01-01T12:00:00-05:00"),
    "hero:1": ("w7 w8 w9", None),
    "hero:2": ("w10 w11 w12", "not a date"),
}


class KnownCorpora:
    """The corpora of a deployment as a dictionary."""

    names = ("demo", "empty", "other")

    def __init__(self) -> None:
        self.models: dict[str, str] = {}

    def get(self, name: str) -> Corpus:
        """Return a corpus of a known name."""
        if name not in self.names:
            raise NotFoundError(f"there is no corpus named {name!r}")
        return Corpus(
            name=name, source=JsonlSource(prefix="sources/x/"), model=self.models.get(name)
        )


@dataclass
class Deployment:
    """The store behind it, and the two ways to ask; `prefixes` are those of further models."""

    store: MemoryObjectStore
    encoder: OnnxEncoder
    prefix: str
    directory: Path
    pool: ThreadPoolExecutor
    corpora: KnownCorpora = field(default_factory=KnownCorpora)
    prefixes: dict[str, str] = field(default_factory=dict)
    retriever: Retriever = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything in memory, as a new process does."""
        self.retriever = self.new_retriever(self.directory)

    def new_retriever(
        self,
        directory: Path,
        elsewhere: Elsewhere | None = None,
        memory_budget_bytes: int | None = None,
    ) -> Retriever:
        """Make what one environment of the function has, with a separate disk."""
        settings = LibrarySettings(
            directory / "shards",
            recheck_seconds=0,
            parallel_tasks=2,
            memory_budget_bytes=memory_budget_bytes,
        )
        prefixes = ModelPrefixes(self.prefix, self.prefixes)
        return Retriever(
            corpora=self.corpora,
            models=DeployedModels(lambda: self.store, prefixes, directory),
            library=IndexLibrary(self.store, self.pool, settings, elsewhere),
            pool=self.pool,
            default_corpus="demo",
        )

    def add_model(self, model_id: str, folder: Path, bundle: Path) -> OnnxEncoder:
        """Deploy another model, of a folder in the layout of sentence-transformers."""
        export_bundle(folder, bundle, model_id=model_id, precision="fp32", source="test")
        self.prefixes[model_id] = publish_model_bundle(self.store, bundle)
        return OnnxEncoder.from_directory(bundle)

    def commit(
        self,
        texts: Mapping[str, tuple[str, str | None]],
        *,
        origin: str,
        seq: int,
        corpus: str = "demo",
        model: ModelIdentity | None = None,
        encoder: OnnxEncoder | None = None,
        fields: Mapping[str, Fields] | None = None,
    ) -> None:
        """Add a shard that holds these texts and speaks for their entities."""
        chunks = [
            _chunk(key, text, modified, (fields or {}).get(key, {}))
            for key, (text, modified) in texts.items()
            if text
        ]
        lines: list[Chunk | CoveredEntity] = [
            *(CoveredEntity(entity_key=key) for key in texts),
            *chunks,
        ]
        encoder = encoder or self.encoder
        identity = model or encoder.identity
        shard = write_shard(
            self.store,
            ShardSource(corpus, identity, origin, seq),
            collect_content(lines, origin=origin, seq=seq),
            encoder.encode_documents([chunk.text for chunk in chunks]),
        )
        ManifestStore(self.store, corpus, identity).commit([shard], floor=no_floor)

    def get(
        self, path: str = "/retrieve", **parameters: str | Sequence[str]
    ) -> tuple[int, dict[str, Any], str]:
        """Ask as API Gateway does; returns the status, the body and the content type."""
        several = {
            name.replace("__", "."): [value] if isinstance(value, str) else list(value)
            for name, value in parameters.items()
        }
        event = {
            "resource": path,
            "path": path,
            "httpMethod": "GET",
            "headers": {},
            "multiValueQueryStringParameters": several or None,
            "requestContext": {"requestId": "request-1"},
            "body": None,
            "isBase64Encoded": False,
        }
        api = build_api(lambda: self.retriever, lambda: {"status": "ok"})
        answer = api.resolve(event, LambdaContext())
        (content_type,) = answer["multiValueHeaders"]["Content-Type"]
        return int(answer["statusCode"]), json.loads(answer["body"]), content_type

    def invoke(self, payload: Any) -> dict[str, Any]:
        """Ask as another function does."""
        return self.send({"retrieve": payload})

    def send(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke directly."""
        return answer_directly(lambda: self.retriever, event)


def _chunk(key: str, text: str, modified: str | None, fields: Fields) -> Chunk:
    entity_type, source_id = key.split(":")
    return Chunk(
        chunk_id=f"{key}-001",
        parent=key,
        text=text,
        metadata=ChunkMetadata(
            entity_type=entity_type,
            source_id=source_id,
            title=f"Title of {key}",
            urls=(f"https://example.test/{source_id}",),
            modified=modified,
            attribution="made for tests",
            source_path="raw/demo/page.jsonl.gz",
            fields=fields,
        ),
    )


@pytest.fixture
def make_deployment(
    tmp_path: Path, model_folder: ModelFolder
) -> Iterator[Callable[[], Deployment]]:
    """Make a deployment without an index."""
    with ThreadPoolExecutor(4) as pool:

        def make() -> Deployment:
            bundle = tmp_path / "bundle"
            folder = model_folder()
            export_bundle(folder, bundle, model_id="tiny", precision="fp32", source="test")
            store = MemoryObjectStore()
            prefix = publish_model_bundle(store, bundle)
            encoder = OnnxEncoder.from_directory(bundle)
            return Deployment(store, encoder, prefix, tmp_path / "local", pool)

        yield make


@pytest.fixture
def deployment(make_deployment: Callable[[], Deployment]) -> Deployment:
    """A deployment whose corpus `demo` holds `TEXTS`."""
    made = make_deployment()
    made.commit(TEXTS, origin="run/page/0", seq=1)
    return made
