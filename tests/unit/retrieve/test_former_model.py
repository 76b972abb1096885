"""A corpus whose model was changed: answered from the newest complete index, never from a part."""

from pathlib import Path

import pytest

from shared.embedding.onnx_encoder import OnnxEncoder
from shared.index.manifest.manifest_store import ManifestStore
from tests.unit.embedding.conftest import ModelFolder
from tests.unit.retrieve.conftest import TEXTS, Deployment

QUERY = "w4 w5 w6"
PART = {"comic:2": TEXTS["comic:2"]}


@pytest.fixture
def large(deployment: Deployment, model_folder: ModelFolder, tmp_path: Path) -> OnnxEncoder:
    """The model that the corpus is moved to, deployed beside the one it was indexed under."""
    encoder = deployment.add_model("large", model_folder(seed=8), tmp_path / "large")
    deployment.corpora.models["demo"] = "large"
    return encoder


def answered_with(deployment: Deployment) -> tuple[str, int]:
    """The model of an answer, and how many results it has; the best is the text itself."""
    status, body, _ = deployment.get(q=QUERY, mode="dense")
    assert status == 200, body
    assert (body["results"][0]["id"], body["results"][0]["similarity"]) == ("comic:2-001", 1.0)
    return body["model"]["id"], len(body["results"])


def complete(deployment: Deployment, encoder: OnnxEncoder, generation: int) -> None:
    ManifestStore(deployment.store, "demo", encoder.identity).complete(generation)


def test_until_the_new_index_is_complete_the_old_one_answers(
    deployment: Deployment, large: OnnxEncoder
) -> None:
    assert answered_with(deployment) == ("tiny", len(TEXTS))
    deployment.commit(PART, origin="part", seq=2, encoder=large)
    assert answered_with(deployment) == ("tiny", len(TEXTS))
    deployment.commit(TEXTS, origin="whole", seq=3, encoder=large)
    complete(deployment, large, 1)
    assert answered_with(deployment) == ("large", len(TEXTS))


def test_a_corpus_that_goes_back_is_answered_from_the_newer_index_until_the_older_caught_up(
    deployment: Deployment, large: OnnxEncoder
) -> None:
    deployment.commit(TEXTS, origin="whole", seq=3, encoder=large)
    complete(deployment, large, 1)
    del deployment.corpora.models["demo"]
    assert answered_with(deployment) == ("large", len(TEXTS))
    complete(deployment, deployment.encoder, 2)
    assert answered_with(deployment) == ("tiny", len(TEXTS))


def test_where_the_old_model_is_gone_a_part_of_an_index_answers_nobody(
    deployment: Deployment, large: OnnxEncoder
) -> None:
    former, deployment.prefix = deployment.prefix, deployment.prefixes["large"]
    deployment.restart()
    status, body, _ = deployment.get(q=QUERY)
    assert (status, body["error"]["code"]) == (409, "DIMENSION_MISMATCH")
    assert "ingest it in full again" in body["detail"]
    deployment.commit(PART, origin="part", seq=2, encoder=large)
    status, body, _ = deployment.get(q=QUERY)
    assert (status, body["error"]["code"]) == (409, "DIMENSION_MISMATCH")
    assert "is not complete, and tiny revision" in body["detail"]
    assert "deploy that model beside it" in body["detail"]
    deployment.prefixes["tiny"] = former
    deployment.restart()
    assert answered_with(deployment) == ("tiny", len(TEXTS))


def test_a_damaged_index_of_another_model_harms_nobody(
    deployment: Deployment, large: OnnxEncoder
) -> None:
    manifests = ManifestStore(deployment.store, "demo", large.identity)
    deployment.store.put(manifests.key, b"{")
    del deployment.corpora.models["demo"]
    assert answered_with(deployment) == ("tiny", len(TEXTS))


def test_the_first_index_of_a_corpus_is_read_while_it_is_built(deployment: Deployment) -> None:
    assert deployment.get(q=QUERY, corpus="empty")[0] == 404
    deployment.commit(PART, origin="part", seq=1, corpus="empty")
    assert deployment.get(q=QUERY, corpus="empty")[1]["results"][0]["id"] == "comic:2-001"
