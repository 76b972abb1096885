"""The object-store protocol, on S3 and in memory alike."""

import io
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.response import StreamingBody

from shared.errors import ConflictError, NotFoundError
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjectStore()
    client: S3Client = request.getfixturevalue("s3_client")
    return S3ObjectStore(client, request.getfixturevalue("bucket_name"))


def test_what_is_put_is_read(store: ObjectStore, tmp_path: Path) -> None:
    etag = store.put("a/b", b"data", content_type="text/plain", metadata={"run": "1"})
    stored = store.get("a/b")
    assert (stored.data, stored.etag, stored.metadata["run"]) == (b"data", etag, "1")
    store.download("a/b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"data"


def test_a_missing_object_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no object at a/missing"):
        store.get("a/missing")
    with pytest.raises(NotFoundError):
        store.get_if_changed("a/missing", '"e"')
    with pytest.raises(NotFoundError):
        store.download("a/missing", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_only_the_first_creator_wins(store: ObjectStore) -> None:
    store.put("k", b"one", if_absent=True)
    with pytest.raises(ConflictError):
        store.put("k", b"two", if_absent=True)
    assert store.get("k").data == b"one"


def test_a_stale_etag_changes_nothing(store: ObjectStore) -> None:
    first = store.put("k", b"one")
    second = store.put("k", b"two", if_match=first)
    with pytest.raises(ConflictError):
        store.put("k", b"three", if_match=first)
    assert store.get("k").data == b"two"
    assert store.get_if_changed("k", second) is None
    changed = store.get_if_changed("k", first)
    assert changed is not None
    assert changed.data == b"two"


def test_a_match_on_a_deleted_object_is_a_conflict(store: ObjectStore) -> None:
    etag = store.put("k", b"one")
    store.delete("k")
    store.delete("k")
    with pytest.raises(ConflictError):
        store.put("k", b"two", if_match=etag)


def test_a_range_is_read_of_one_version_alone(store: ObjectStore) -> None:
    etag = store.put("k", b"0123456789")
    assert store.get_range("k", 2, 3, if_match=etag) == b"234"
    assert store.get_range("k", 8, 10, if_match=etag) == b"89"
    assert store.get_range("k", 10, 5, if_match=etag) == b""
    assert store.get_range("k", 3, 0, if_match=etag) == b""
    [listed] = store.list("k")
    assert store.get_range("k", 0, 2, if_match=listed.etag) == b"01"
    store.put("k", b"another")
    with pytest.raises(ConflictError, match="k was changed"):
        store.get_range("k", 2, 3, if_match=etag)
    store.delete("k")
    with pytest.raises(NotFoundError, match="no object at k"):
        store.get_range("k", 2, 3, if_match=etag)


def test_listing_is_ordered_and_bounded_by_the_prefix(store: ObjectStore) -> None:
    for key in ("p/b", "p/a", "q/c"):
        store.put(key, b"12345")
    assert [(o.key, o.size_bytes) for o in store.list("p/")] == [("p/a", 5), ("p/b", 5)]


def test_a_file_is_uploaded_and_an_object_is_there_or_not(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of a file")
    assert not store.exists("up/loaded")
    store.upload(path, "up/loaded")
    assert store.exists("up/loaded")
    assert store.get("up/loaded").data == b"of a file"
    [listed] = store.list("up/")
    assert listed.modified_at.tzinfo is not None
    store.delete("up/loaded")
    assert not store.exists("up/loaded")


def test_a_large_file_goes_up_and_comes_down_in_parts_side_by_side(
    s3_client: "S3Client", bucket_name: str, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def note(params: dict[str, object], model: Any, **_: object) -> None:
        asked.append((model.name, str(params.get("Range"))))

    for operation in ("GetObject", "UploadPart"):
        s3_client.meta.events.register(f"provide-client-params.s3.{operation}", note)
    store = S3ObjectStore(s3_client, bucket_name)
    data = random.Random(1).randbytes(20 * 2**20)
    (tmp_path / "shard").write_bytes(data)
    try:
        store.upload(tmp_path / "shard", "large")
        store.download("large", tmp_path / "copy")
    finally:
        for operation in ("GetObject", "UploadPart"):
            s3_client.meta.events.unregister(f"provide-client-params.s3.{operation}", note)
    assert (tmp_path / "copy").read_bytes() == data
    # The first answer says how large the object is, and is given up.
    whole, *ranges = [span for name, span in asked if name == "GetObject"]
    assert whole == "None"
    assert len(ranges) == len(set(ranges)) >= 3
    assert all(span.startswith("bytes=") for span in ranges)
    assert sum(name == "UploadPart" for name, _ in asked) >= 3


def test_a_small_file_takes_one_request_in_each_direction(
    s3_client: "S3Client", bucket_name: str, tmp_path: Path
) -> None:
    asked: list[str] = []

    def note(model: Any, **_: object) -> None:
        asked.append(model.name)

    s3_client.meta.events.register("before-call.s3", note)
    store = S3ObjectStore(s3_client, bucket_name)
    (tmp_path / "shard").write_bytes(b"small")
    try:
        store.upload(tmp_path / "shard", "small")
        store.download("small", tmp_path / "copy")
    finally:
        s3_client.meta.events.unregister("before-call.s3", note)
    assert (tmp_path / "copy").read_bytes() == b"small"
    assert asked == ["PutObject", "GetObject"]


class _BrokenOffOnce:
    """An S3 client whose first body ends before it is whole."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client
        self._is_broken = False

    def get_object(self, **request: Any) -> Any:
        response: Any = self._client.get_object(**request)
        if not self._is_broken:
            self._is_broken = True
            size = response["ContentLength"]
            response["Body"] = StreamingBody(io.BytesIO(response["Body"].read()[:-1]), size)
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_body_that_breaks_off_is_read_again(
    s3_client: "S3Client", bucket_name: str, tmp_path: Path
) -> None:
    client = _BrokenOffOnce(s3_client)
    store = S3ObjectStore(cast("S3Client", client), bucket_name)
    store.put("k", b"whole")
    store.download("k", tmp_path / "copy")
    assert client._is_broken
    assert (tmp_path / "copy").read_bytes() == b"whole"
