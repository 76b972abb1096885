"""The S3 client in memory does what AWS documents of S3."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.storage.s3 import S3ObjectStore
from tests.simulation.aws.s3 import MemoryS3
from tests.simulation.aws.s3_objects import PART_BYTES
from tests.simulation.conftest import BUCKET, SetClock


def put(client: MemoryS3, key: str = "key", body: Any = b"0123456789", **request: Any) -> str:
    etag: str = client.put_object(Bucket=BUCKET, Key=key, Body=body, **request)["ETag"]
    return etag


def get(client: MemoryS3, key: str = "key", **request: Any) -> Any:
    return client.get_object(Bucket=BUCKET, Key=key, **request)


def failure(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_is_read_as_it_was_written(s3: MemoryS3) -> None:
    etag = put(s3, body=io.BytesIO(b"data"), ContentType="text/plain", Metadata={"Name": "x"})
    assert etag == f'"{hashlib.md5(b"data").hexdigest()}"'
    found = get(s3)
    assert found["Body"].read() == b"data"
    assert b"".join(get(s3)["Body"].iter_chunks(3)) == b"data"
    for told in (found, s3.head_object(Bucket=BUCKET, Key="key")):
        assert told["ETag"] == etag
        assert (told["ContentLength"], told["ContentType"]) == (4, "text/plain")
        assert told["Metadata"] == {"name": "x"}
        assert told["LastModified"] == datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_missing_objects_and_buckets(s3: MemoryS3) -> None:
    with pytest.raises(s3.exceptions.NoSuchKey) as error:
        get(s3)
    assert failure(error) == ("NoSuchKey", 404)
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=BUCKET, Key="key")
    assert failure(error) == ("404", 404)
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.put_object(Bucket="other", Key="key", Body=b"")
    s3.delete_object(Bucket=BUCKET, Key="key")


def test_conditional_writes(s3: MemoryS3) -> None:
    with pytest.raises(ClientError) as error:
        put(s3, IfMatch='"any"')
    assert failure(error) == ("NoSuchKey", 404)
    first = put(s3, IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        put(s3, IfNoneMatch="*")
    assert failure(error) == ("PreconditionFailed", 412)
    second = put(s3, body=b"second", IfMatch=first)
    with pytest.raises(ClientError) as error:
        put(s3, body=b"third", IfMatch=first)
    assert failure(error) == ("PreconditionFailed", 412)
    assert put(s3, body=b"fourth", IfMatch=second.strip('"')) != second
    s3.delete_object(Bucket=BUCKET, Key="key")
    assert s3.objects(BUCKET) == {}


def test_conditional_reads(s3: MemoryS3) -> None:
    etag = put(s3)
    assert get(s3, IfMatch=etag)["Body"].read() == b"0123456789"
    assert get(s3, IfNoneMatch='"other"')["ETag"] == etag
    with pytest.raises(ClientError) as error:
        get(s3, IfNoneMatch=etag)
    assert failure(error) == ("304", 304)
    with pytest.raises(ClientError) as error:
        get(s3, IfMatch='"other"')
    assert failure(error) == ("PreconditionFailed", 412)


@pytest.mark.parametrize(
    ("asked", "content", "described"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-99", b"789", "bytes 7-9/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
    ],
)
def test_ranges(s3: MemoryS3, asked: str, content: bytes, described: str) -> None:
    put(s3)
    found = get(s3, Range=asked)
    assert found["Body"].read() == content
    assert (found["ContentRange"], found["ContentLength"]) == (described, len(content))
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_behind_the_end(s3: MemoryS3) -> None:
    put(s3)
    put(s3, "empty", b"")
    for key, asked in (("key", "bytes=10-12"), ("empty", "bytes=0-0")):
        with pytest.raises(ClientError) as error:
            get(s3, key, Range=asked)
        assert failure(error) == ("InvalidRange", 416)


def test_a_listing_reads_each_page_when_it_is_asked_for(s3: MemoryS3) -> None:
    for key in ("a/3", "a/1", "b", "a/2"):
        put(s3, key)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="a/")
    assert [item["Key"] for item in next(pages)["Contents"]] == ["a/1", "a/2"]
    s3.delete_object(Bucket=BUCKET, Key="a/3")
    put(s3, "a/4")
    last = next(pages)
    assert [item["Key"] for item in last["Contents"]] == ["a/4"]
    assert not last["IsTruncated"]
    empty = s3.list_objects_v2(Bucket=BUCKET, Prefix="c")
    assert ("Contents" in empty, empty["KeyCount"]) == (False, 0)


def test_files(s3: MemoryS3, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * PART_BYTES + b"y")
    s3.upload_file(str(source), BUCKET, "key")
    s3.download_file(BUCKET, "key", str(target))
    assert target.read_bytes() == source.read_bytes()
    assert get(s3)["ETag"].endswith('-2"')
    with pytest.raises(ClientError) as error:
        s3.download_file(BUCKET, "missing", str(target))
    assert failure(error) == ("404", 404)


def test_what_is_not_simulated_is_refused(s3: MemoryS3) -> None:
    with pytest.raises(NotImplementedError, match="Tagging"):
        put(s3, Tagging="a=b")
    with pytest.raises(NotImplementedError, match="Range"):
        put(s3)
        get(s3, Range="bytes=0-1,3-4")
    with pytest.raises(NotImplementedError, match="list_parts"):
        s3.get_paginator("list_parts")


def test_the_object_store_works_with_it(s3: MemoryS3, clock: SetClock) -> None:
    store = S3ObjectStore(s3, BUCKET)  # type: ignore[arg-type]
    etag = store.put("a", b"data", metadata={"k": "v"}, if_absent=True)
    assert store.get_if_changed("a", etag) is None
    assert store.get_range("a", 1, 2, if_match=etag) == b"at"
    assert store.get_range("a", 9, 2, if_match=etag) == b""
    assert [summary.key for summary in store.list("")] == ["a"]
    assert store.exists("a")
    assert not store.exists("b")
