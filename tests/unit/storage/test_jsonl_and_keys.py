import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CorruptObjectError
from shared.models.jobs import ChunkJob
from shared.models.manifest import ModelIdentity
from shared.storage import jsonl, keys

JOB = ChunkJob(
    corpus="marvel",
    run_id="20261123T060000Z-1a2b3c4d",
    page_id="comics-00003",
    seq=1,
    entities_key="derived/x",
)
# JSON escapes line breaks; U+2028 and the like must pass untouched.
LINES = st.lists(st.text(min_size=1).filter(lambda t: "\n" not in t and t.strip() != ""))


@given(LINES)
def test_lines_come_back_as_they_went(lines: list[str]) -> None:
    encoded = jsonl.encode_lines(lines)
    assert list(jsonl.decode_lines(encoded, "k")) == lines
    assert jsonl.encode_lines(lines) == encoded


@pytest.mark.parametrize(
    "data",
    [b"", b"plain", gzip.compress(b"x" * 5000, mtime=0)[:-9], gzip.compress(b"\xff\xfe", mtime=0)],
)
def test_a_corrupt_object_is_named(data: bytes) -> None:
    with pytest.raises(CorruptObjectError, match="raw/k"):
        list(jsonl.decode_lines(data, "raw/k"))


def test_keys_follow_the_layout() -> None:
    folder = "marvel/2026/11/23/20261123T060000Z-1a2b3c4d"
    assert keys.raw_key(JOB) == f"raw/{folder}/comics-00003.jsonl.gz"
    assert keys.entities_key(JOB) == f"derived/{folder}/entities-comics-00003.jsonl.gz"
    assert keys.edges_key(JOB) == f"derived/{folder}/edges-comics-00003.jsonl.gz"
    assert keys.rejects_key(JOB) == (
        "derived/_rejects/marvel/2026/11/23/20261123T060000Z-1a2b3c4d/comics-00003.jsonl.gz"
    )
    assert keys.chunks_key(JOB, 2) == f"chunks/{folder}/comics-00003-0002.jsonl.gz"
    assert keys.embeddings_key(JOB, 2) == f"embeddings/{folder}/comics-00003-0002.npz"
    model = ModelIdentity(id="m", revision="r", dims=3)
    assert keys.manifest_key("marvel", model) == "indexes/marvel/model=m/dims=3/manifest.json"
    assert keys.shard_key("marvel", model, "ab", "hnsw").endswith("dims=3/shards/ab.hnsw")
