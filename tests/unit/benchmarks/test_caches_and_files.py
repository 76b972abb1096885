from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import embedding_cache
from benchmarks.embedding_cache import EmbeddingCache
from benchmarks.figures import read_figures, record_figures
from benchmarks.folder_store import FolderStore
from benchmarks.table import print_table
from shared.embedding.encoder import Vectors
from shared.errors import ConflictError, CorruptObjectError, NotFoundError
from shared.models.manifest import ModelIdentity


class CountingEncoder:
    identity = ModelIdentity(id="counting", revision="1", dims=2)

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(list(texts))
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    def encode_query(self, text: str) -> Vectors:
        raise NotImplementedError


def test_texts_are_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_SLICE", 2)
    encoder, cache = CountingEncoder(), EmbeddingCache(tmp_path)
    vectors = cache.encode_documents(encoder, "onnx", ["a", "bb", "ccc"])
    assert vectors[:, 0].tolist() == [1, 2, 3]
    assert encoder.calls == [["a", "bb"], ["ccc"]]
    again = cache.encode_documents(encoder, "onnx", ["a", "bb", "dddd"])
    assert again[:, 0].tolist() == [1, 2, 4]
    assert encoder.calls[2:] == [["dddd"]]
    cache.encode_documents(encoder, "torch", ["a", "bb"])
    assert len(encoder.calls) == 4
    assert cache.encode_documents(encoder, "onnx", []).shape == (0, 2)


def test_figures_are_added_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "figures.json"
    assert read_figures(path) == {}
    record_figures({"a": 1.0, "b": 2.0}, path)
    record_figures({"b": 3.0}, path)
    assert read_figures(path) == {"a": 1.0, "b": 3.0}


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": "text"}', '{"a": true}'])
def test_figures_that_are_none_name_their_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text)
    with pytest.raises(CorruptObjectError, match=r"figures\.json"):
        read_figures(path)


def test_a_folder_is_an_object_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    etag = store.put("a/b", b"1", if_absent=True)
    with pytest.raises(ConflictError):
        store.put("a/b", b"2", if_absent=True)
    with pytest.raises(ConflictError):
        store.put("a/b", b"2", if_match="other")
    assert store.get("a/b").data == b"1"
    assert store.get_if_changed("a/b", etag) is None
    store.put("a/b", b"22", if_match=etag)
    assert store.get_if_changed("a/b", etag) is not None
    store.download("a/b", tmp_path / "copy")
    store.upload(tmp_path / "copy", "a/c")
    assert [(found.key, found.size_bytes) for found in store.list("a/")] == [("a/b", 2), ("a/c", 2)]
    store.delete("a/b")
    store.delete("a/b")
    assert (store.exists("a/b"), store.exists("a/c")) == (False, True)
    with pytest.raises(NotFoundError):
        store.get("a/b")


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "n"), [("a", 1234), ("long name", None), ("c", 0.5), ("d", 2.5)])
    assert capsys.readouterr().out.splitlines() == [
        "name            n",
        "a           1,234",
        "long name       -",
        "c          0.5000",
        "d            2.50",
    ]
