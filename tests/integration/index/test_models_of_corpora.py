"""A corpus that is given another model: embedded, asked and maintained with it, by the handlers."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.model_export.export import export_bundle
from services.compactor import handler as compactor_handler
from services.embedder import handler as embedder_handler
from services.retrieve import handler as retrieve_handler
from shared.embedding.model_files import publish_model_bundle, read_model_identity
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest, ModelIdentity
from tests.integration.index.conftest import CORPUS, MAXIMUM_RECEIVES, Invocation, Line, sqs_event
from tests.unit.embedding.conftest import ModelFolder

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

TEXTS = {"hero:1": "w1 w2 w3", "hero:2": "w4 w5 w6"}


class Deployment:
    """The line, and what an operator changes about it."""

    def __init__(
        self, line: Line, client: "SSMClient", monkeypatch: pytest.MonkeyPatch, bundle: Path
    ) -> None:
        self.line = line
        self.client = client
        self.monkeypatch = monkeypatch
        self.bundle = bundle
        self.runs = 0

    def restart(self) -> None:
        """New processes of all functions."""
        for cached in (
            embedder_handler._stage,
            retrieve_handler._models,
            retrieve_handler._retriever,
            compactor_handler._corpora,
            compactor_handler._tasks,
            compactor_handler._stage,
            compactor_handler._compaction_requests,
        ):
            cached.cache_clear()

    def deploy(self, folder: Path) -> ModelIdentity:
        """Deploy another model beside the default one."""
        export_bundle(folder, self.bundle, model_id="large", precision="fp32", source="test")
        prefix = publish_model_bundle(self.line.store, self.bundle)
        self.monkeypatch.setenv("MODEL_PREFIXES", json.dumps({"large": prefix}))
        return read_model_identity(self.line.store, prefix)

    def name_model(self, model: str) -> None:
        """Have the corpus name a model."""
        document = {
            "name": CORPUS, "source": {"kind": "jsonl", "prefix": "sources/x/"}, "model": model,
        }  # fmt: skip
        name = f"{os.environ['CORPORA_PARAMETER_PATH']}/{CORPUS}"
        self.client.put_parameter(Name=name, Value=json.dumps(document), Overwrite=True)
        self.restart()

    def embed(self, receives: int = 1) -> list[str]:
        """Embed all texts as a run of one page; the ids of messages that failed."""
        self.runs += 1
        self.run_id = self.line.start_run(self.runs, 1)
        jobs = self.line.chunked(self.run_id, 0, [TEXTS])
        return self.line.embed([job.model_dump_json() for job in jobs], receives)

    def ingest(self) -> None:
        assert self.embed() == []
        assert self.line.index(self.line.take()) == []

    def manifest(self, model: ModelIdentity) -> Manifest:
        return ManifestStore(self.line.store, CORPUS, model).read().manifest

    def maintenance_jobs(self) -> list[str]:
        line, url = self.line, os.environ["COMPACT_QUEUE_URL"]
        return Line(line.store, line.runs, line.failures, line.sqs, url).take()


@pytest.fixture
def deployment(
    line: Line,
    ssm_client: "SSMClient",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployment]:
    monkeypatch.setenv("WORK_DIR", str(tmp_path / "compactor"))
    deployment = Deployment(line, ssm_client, monkeypatch, tmp_path / "large")
    deployment.restart()
    yield deployment
    deployment.restart()


def test_a_corpus_moves_to_another_model(deployment: Deployment, model_folder: ModelFolder) -> None:
    deployment.ingest()
    default = read_model_identity(deployment.line.store, os.environ["MODEL_PREFIX"])
    large = deployment.deploy(model_folder(seed=8))
    deployment.name_model("large")
    assert deployment.line.retrieve(q=TEXTS["hero:1"])["model"] == default.model_dump()

    deployment.ingest()
    assert deployment.line.retrieve(q=TEXTS["hero:1"])["model"] == default.model_dump()
    ManifestStore(deployment.line.store, CORPUS, large).complete(1)
    answer = deployment.line.retrieve(q=TEXTS["hero:1"], k=1)
    assert answer["model"] == large.model_dump()
    assert answer["results"][0]["id"] == "hero:1-001"
    assert deployment.line.runs.reader.get_run(deployment.run_id).vectors == len(TEXTS)
    for model in (default, large):
        assert {shard.model for shard in deployment.manifest(model).shards} == {model}


def test_maintenance_is_of_the_index_under_the_corpus_model(
    deployment: Deployment, model_folder: ModelFolder
) -> None:
    deployment.ingest()
    default = read_model_identity(deployment.line.store, os.environ["MODEL_PREFIX"])
    large = deployment.deploy(model_folder(seed=8))
    deployment.name_model("large")
    deployment.ingest()
    untouched = deployment.manifest(default)
    started = compactor_handler.handler({"rebuild": {"corpus": CORPUS}}, Invocation())
    while bodies := deployment.maintenance_jobs():
        failed = compactor_handler.handler(sqs_event(bodies), Invocation())
        assert failed == {"batchItemFailures": []}
    changes = {m.change for m in ManifestStore(deployment.line.store, CORPUS, large).versions()}
    assert f"rebuild:{started['rebuild_id']}" in changes
    assert deployment.manifest(default) == untouched


def test_a_model_that_is_not_deployed_fails_the_page_with_a_reason(deployment: Deployment) -> None:
    deployment.name_model("absent")
    assert deployment.embed(receives=MAXIMUM_RECEIVES) == ["0"]
    failure = deployment.line.failures.reason("embedder", "0")
    assert failure is not None
    assert failure["code"] == "BAD_SETTINGS"
    assert f"corpus {CORPUS} names the model absent" in failure["reason"]
