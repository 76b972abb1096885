"""The S3 client in memory and a local AWS give the same answers and errors."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.integration.simulation.agreement import Call, disagreements, outcome
from tests.simulation.aws.s3 import MemoryS3
from tests.simulation.aws.s3_objects import etag_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FIRST, SECOND = b"0123456789", b"second"
ETAG = etag_of(FIRST)


def call(method: str, key: str, **request: Any) -> Call:
    return method, {"Key": key, **request}


def put(key: str, body: bytes = FIRST, **request: Any) -> Call:
    # AWS would call it binary/octet-stream where nothing is said, MiniStack names another type.
    return call("put_object", key, **{"Body": body, "ContentType": "text/plain", **request})


def get(key: str = "a/1", **request: Any) -> Call:
    return call("get_object", key, **request)


def page(**request: Any) -> Call:
    return "list_objects_v2", request


CALLS: list[Call] = [
    get(),
    call("head_object", "a/1"),
    call("delete_object", "a/1"),
    put("a/1", IfMatch=ETAG),
    put("a/1", IfNoneMatch="*", Metadata={"name": "value"}),
    put("a/1", IfNoneMatch="*"),
    get(),
    call("head_object", "a/1"),
    get(IfMatch=ETAG),
    get(IfMatch='"other"'),
    get(IfNoneMatch=ETAG),
    get(IfNoneMatch='"other"'),
    call("head_object", "a/1", IfMatch='"other"'),
    call("head_object", "a/1", IfNoneMatch=ETAG),
    *[get(Range=f"bytes={asked}") for asked in ("0-0", "2-4", "7-99", "8-", "-3", "10-12", "99-")],
    get(Range="bytes=1-2", IfMatch=ETAG),
    get(Range="bytes=1-2", IfMatch='"other"'),
    put("a/1", SECOND, IfMatch='"other"'),
    put("a/1", SECOND, IfMatch=ETAG),
    put("a/1", FIRST, IfMatch=ETAG),
    get(),
    put("a/1"),
    *[put(key) for key in ("a/3", "a/2", "b", "a", "z/é")],
    put("empty", b""),
    get("empty"),
    page(),
    page(Prefix="a/"),
    page(Prefix="a/", MaxKeys=2),
    page(Prefix="a/", MaxKeys=3),
    page(StartAfter="a/2"),
    page(Prefix="a/", StartAfter="a/1"),
    page(Prefix="none"),
    call("delete_object", "a/1"),
    put("a/1", IfMatch=ETAG),
    page(Prefix="a/"),
    ("get_object", {"Bucket": "there-is-no-such-bucket", "Key": "a"}),
    ("list_objects_v2", {"Bucket": "there-is-no-such-bucket"}),
]
COMPARED = ("ETag", "ContentLength", "ContentRange", "ContentType", "Metadata", "IsTruncated")


def shown(answer: Mapping[str, Any]) -> Any:
    told = {name: answer[name] for name in COMPARED if name in answer}
    told["status"] = answer["ResponseMetadata"]["HTTPStatusCode"]
    told["listed"] = [(o["Key"], o["Size"], o["ETag"]) for o in answer.get("Contents", [])]
    told["goes on"] = "NextContinuationToken" in answer
    if "Body" in answer:
        told["body"] = answer["Body"].read()
    return told


def run(client: object, bucket: str, made: Call) -> Any:
    return outcome(client, (made[0], {"Bucket": bucket, **made[1]}), shown)


def test_the_same_calls_have_the_same_outcomes(s3_client: "S3Client", bucket_name: str) -> None:
    memory = MemoryS3(lambda: datetime(2026, 3, 1, tzinfo=UTC))
    memory.add_bucket(bucket_name)
    found = disagreements(
        CALLS, partial(run, memory, bucket_name), partial(run, s3_client, bucket_name)
    )
    assert not found, "\n".join(found)
