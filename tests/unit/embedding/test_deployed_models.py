"""Models that are loaded when they are needed, and dropped when others are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts.model_export.export import export_bundle
from shared.embedding.deployed_models import LOADED_AT_ONCE, DeployedModels
from shared.embedding.model_files import publish_model_bundle
from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import SettingsError
from shared.models.corpus import Corpus
from shared.models.sources import JsonlSource
from shared.storage.memory import MemoryObjectStore
from tests.unit.embedding.conftest import ModelFolder

NAMES = ("first", "second", "third")


def corpus(model: str | None) -> Corpus:
    return Corpus(name="books", source=JsonlSource(prefix="sources/x/"), model=model)


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def models(
    store: MemoryObjectStore, model_folder: ModelFolder, tmp_path: Path
) -> Callable[..., DeployedModels]:
    prefixes = {}
    for seed, name in enumerate(NAMES):
        folder, bundle = model_folder(seed=seed), tmp_path / f"bundle-{name}"
        export_bundle(folder, bundle, model_id=name, precision="fp32", source="test")
        prefixes[name] = publish_model_bundle(store, bundle)

    def make(**options: int) -> DeployedModels:
        known = ModelPrefixes(prefixes["first"], prefixes)
        return DeployedModels(lambda: store, known, tmp_path / "local", **options)

    return make


def test_each_corpus_is_embedded_with_its_own_model(models: Callable[..., DeployedModels]) -> None:
    deployed = models()
    vectors = [deployed.of(corpus(name)).encoder().encode_query("w1 w2") for name in NAMES]
    assert [deployed.of(corpus(name)).identity().id for name in NAMES] == list(NAMES)
    for one in range(len(NAMES)):
        for other in range(one):
            assert not np.allclose(vectors[one], vectors[other])
    default = deployed.of(corpus(None)).encoder().encode_query("w1 w2")
    np.testing.assert_array_equal(default, vectors[0])


def test_naming_a_model_loads_nothing(models: Callable[..., DeployedModels]) -> None:
    deployed = models()
    assert deployed.of(corpus("second")).identity().id == "second"
    assert not deployed.of(corpus("second")).is_loaded


def test_those_that_were_used_last_stay_loaded(models: Callable[..., DeployedModels]) -> None:
    deployed = models()
    for name in ("first", "second", "first", "third"):
        deployed.of(corpus(name)).encoder()
    loaded = {name for name in NAMES if deployed._models[f"{prefix(deployed, name)}"].is_loaded}
    assert loaded == {"first", "third"}
    assert len(loaded) == LOADED_AT_ONCE


def prefix(deployed: DeployedModels, name: str) -> str:
    return deployed._prefixes.by_id[name]


def test_work_goes_on_with_a_model_that_is_dropped(models: Callable[..., DeployedModels]) -> None:
    deployed = models(limit=1)
    first = deployed.of(corpus("first"))
    encoder = first.encoder()
    deployed.of(corpus("second")).encoder()
    assert not first.is_loaded
    assert encoder.encode_query("w1").shape == (32,)
    assert first.encoder().encode_query("w1").shape == (32,)


def test_a_model_that_lacks_a_file_is_a_wrong_deployment(
    models: Callable[..., DeployedModels], store: MemoryObjectStore
) -> None:
    deployed = models()
    folder = prefix(deployed, "second")
    store.delete(f"{folder}model.onnx")
    with pytest.raises(SettingsError, match=folder):
        deployed.of(corpus("second")).encoder()
