"""An S3 client in memory: the shapes of boto3, at a time that a test sets."""

import io
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Never

from botocore.exceptions import ParamValidationError
from botocore.response import StreamingBody

from tests.simulation.aws.calls import (
    Answer,
    Clock,
    ServiceAnswers,
    ServiceErrors,
    check_parameters,
)
from tests.simulation.aws.paginators import Paginator, make_paginator
from tests.simulation.aws.s3_objects import (
    Bucket,
    KeptObject,
    asked_range,
    etag_of,
    etag_of_parts,
    is_same_etag,
    whole_seconds,
)

_ERRORS = {"NoSuchKey": "NoSuchKey", "NoSuchBucket": "NoSuchBucket"}
_OBJECT = frozenset({"Bucket", "Key"})
_BUCKET = frozenset({"Bucket"})
_PUT = frozenset({"Body", "ContentType", "Metadata", "IfMatch", "IfNoneMatch"})
_READ = frozenset({"IfMatch", "IfNoneMatch"})
_LIST = frozenset({"Prefix", "MaxKeys", "ContinuationToken", "StartAfter"})
_CONTENT_TYPE = "binary/octet-stream"
_MOST_KEY_BYTES = 1024
_MOST_METADATA_BYTES = 2048
_MOST_LISTED = 1000
_MISMATCH = "At least one of the pre-conditions you specified did not hold"


class MemoryS3:
    """Keeps buckets whose objects have no versions; each call is done at once, as a whole.

    `clock` tells the time. A page of a listing has `page_size` keys at most.
    """

    def __init__(self, clock: Clock, page_size: int = _MOST_LISTED) -> None:
        self._clock = clock
        self._page_size = page_size
        self._buckets: dict[str, Bucket] = {}
        self.exceptions = ServiceErrors(_ERRORS)
        self._answers = ServiceAnswers("s3", clock, self.exceptions)

    def add_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self._buckets[name] = Bucket()

    def objects(self, bucket_name: str) -> dict[str, bytes]:
        """Return what all objects of a bucket hold, by key; no call of boto3."""
        bucket = self._buckets[bucket_name]
        return {key: bucket.objects[key].data for key in bucket.sorted_keys}

    def has(self, bucket_name: str, key: str) -> bool:
        """Whether a bucket holds an object; no call of boto3."""
        return key in self._buckets[bucket_name].objects

    def get_paginator(self, operation: str) -> Paginator:
        """Return the paginator of an operation."""
        return make_paginator(operation, self)

    def put_object(self, **request: Any) -> Answer:
        """Write an object, on a condition if one is given."""
        check_parameters("PutObject", request, _OBJECT, _PUT)
        bucket, key = self._bucket("PutObject", request), request["Key"]
        data = _bytes_of(request.get("Body", b""))
        metadata = self._metadata(request)
        self._check_key("PutObject", key)
        self._check_write(request, key, bucket.objects.get(key))
        content_type = request.get("ContentType", _CONTENT_TYPE)
        now = whole_seconds(self._clock())
        bucket.write(key, KeptObject(data, etag_of(data), content_type, metadata, now))
        return self._answers.answer({"ETag": bucket.objects[key].etag})

    def _check_write(
        self, request: Mapping[str, Any], key: str, present: KeptObject | None
    ) -> None:
        operation = "PutObject"
        if "IfNoneMatch" in request:
            if request["IfNoneMatch"] != "*" or "IfMatch" in request:
                message = "A header you provided implies functionality that is not implemented"
                self._answers.fail(operation, "NotImplemented", message, 501)
            if present is not None:
                self._fail_precondition(operation, "If-None-Match")
        if "IfMatch" in request:
            if present is None:
                self._fail_missing(operation, key)
            if not is_same_etag(request["IfMatch"], present.etag):
                self._fail_precondition(operation, "If-Match")

    def get_object(self, **request: Any) -> Answer:
        """Read an object or a range of it, on a condition if one is given."""
        check_parameters("GetObject", request, _OBJECT, _READ | {"Range"})
        key = request["Key"]
        kept = self._bucket("GetObject", request).objects.get(key)
        if kept is None:
            self._fail_missing("GetObject", key)
        if "IfMatch" in request and not is_same_etag(request["IfMatch"], kept.etag):
            self._fail_precondition("GetObject", "If-Match")
        if "IfNoneMatch" in request and is_same_etag(request["IfNoneMatch"], kept.etag):
            self._answers.fail("GetObject", "304", "Not Modified", 304)
        if "Range" not in request:
            return self._answers.answer({**_described(kept), "Body": _body(kept.data)})
        asked = asked_range(request["Range"], len(kept.data))
        if asked is None:
            message = "The requested range is not satisfiable"
            self._answers.fail("GetObject", "InvalidRange", message, 416)
        start, end = asked
        part = kept.data[start:end]
        content_range = f"bytes {start}-{end - 1}/{len(kept.data)}"
        described = {
            **_described(kept),
            "ContentLength": len(part),
            "ContentRange": content_range,
            "Body": _body(part),
        }
        return self._answers.answer(described, status=206)

    def head_object(self, **request: Any) -> Answer:
        """Tell of an object without its content; an error has no body, so its code is a number."""
        check_parameters("HeadObject", request, _OBJECT, _READ)
        kept = self._bucket("HeadObject", request).objects.get(request["Key"])
        if kept is None:
            self._answers.fail("HeadObject", "404", "Not Found", 404)
        if "IfMatch" in request and not is_same_etag(request["IfMatch"], kept.etag):
            self._answers.fail("HeadObject", "412", "Precondition Failed", 412)
        if "IfNoneMatch" in request and is_same_etag(request["IfNoneMatch"], kept.etag):
            self._answers.fail("HeadObject", "304", "Not Modified", 304)
        return self._answers.answer(_described(kept))

    def delete_object(self, **request: Any) -> Answer:
        """Delete an object; a missing one is no error."""
        check_parameters("DeleteObject", request, _OBJECT, frozenset())
        self._bucket("DeleteObject", request).delete(request["Key"])
        return self._answers.answer({}, status=204)

    def list_objects_v2(self, **request: Any) -> Answer:
        """List a page of the objects below a prefix, as they are at this moment."""
        check_parameters("ListObjectsV2", request, _BUCKET, _LIST)
        bucket, prefix = self._bucket("ListObjectsV2", request), request.get("Prefix", "")
        after = request.get("StartAfter", "")
        if token := request.get("ContinuationToken"):
            after = urlsafe_b64decode(token).decode()
        most = min(request.get("MaxKeys", _MOST_LISTED), self._page_size, _MOST_LISTED)
        keys = bucket.sorted_keys
        start = max(bisect_left(keys, prefix), bisect_right(keys, after) if after else 0)
        end = bisect_left(keys, True, lo=start, key=lambda key: not key.startswith(prefix))
        listed = keys[start : min(end, start + most)]
        page: Answer = {
            "Name": request["Bucket"],
            "Prefix": prefix,
            "MaxKeys": most,
            "KeyCount": len(listed),
            "IsTruncated": bool(listed) and start + len(listed) < end,
        }
        if listed:
            page["Contents"] = [_listed(key, bucket.objects[key]) for key in listed]
        if page["IsTruncated"]:
            page["NextContinuationToken"] = urlsafe_b64encode(listed[-1].encode()).decode()
        return self._answers.answer(page)

    def upload_file(self, filename: str, bucket_name: str, key: str) -> None:
        """Write a local file as an object, which appears whole."""
        bucket = self._bucket("PutObject", {"Bucket": bucket_name})
        self._check_key("PutObject", key)
        data = Path(filename).read_bytes()
        now = whole_seconds(self._clock())
        bucket.write(key, KeptObject(data, etag_of_parts(data), _CONTENT_TYPE, {}, now))

    def download_file(self, bucket_name: str, key: str, filename: str) -> None:
        """Write an object to a local file; boto3 asks for its size first, hence the errors."""
        self.head_object(Bucket=bucket_name, Key=key)
        Path(filename).write_bytes(self._buckets[bucket_name].objects[key].data)

    def _bucket(self, operation: str, request: Mapping[str, Any]) -> Bucket:
        bucket = self._buckets.get(request["Bucket"])
        if bucket is None:
            code, message = "NoSuchBucket", "The specified bucket does not exist"
            if operation == "HeadObject":
                code, message = "404", "Not Found"
            self._answers.fail(operation, code, message, 404)
        return bucket

    def _check_key(self, operation: str, key: str) -> None:
        if not key:
            raise ParamValidationError(report="Invalid length for parameter Key, value: 0")
        if len(key.encode()) > _MOST_KEY_BYTES:
            self._answers.fail(operation, "KeyTooLongError", "Your key is too long")

    def _metadata(self, request: Mapping[str, Any]) -> Mapping[str, str]:
        # Headers carry them, whose names have no case.
        metadata = {name.lower(): text for name, text in request.get("Metadata", {}).items()}
        if not all((name + text).isascii() for name, text in metadata.items()):
            raise ParamValidationError(report="Non ascii characters found in S3 metadata")
        if sum(len(name) + len(text) for name, text in metadata.items()) > _MOST_METADATA_BYTES:
            message = "Your metadata headers exceed the maximum allowed metadata size"
            self._answers.fail("PutObject", "MetadataTooLarge", message)
        return metadata

    def _fail_missing(self, operation: str, key: str) -> Never:
        message = "The specified key does not exist."
        self._answers.fail(operation, "NoSuchKey", message, 404, details={"Key": key})

    def _fail_precondition(self, operation: str, condition: str) -> Never:
        details = {"Condition": condition}
        self._answers.fail(operation, "PreconditionFailed", _MISMATCH, 412, details=details)


def _bytes_of(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return bytes(body.read() if hasattr(body, "read") else body)


def _body(data: bytes) -> StreamingBody:
    return StreamingBody(io.BytesIO(data), len(data))


def _described(kept: KeptObject) -> Answer:
    return {
        "AcceptRanges": "bytes",
        "LastModified": kept.last_modified,
        "ContentLength": len(kept.data),
        "ETag": kept.etag,
        "ContentType": kept.content_type,
        "Metadata": dict(kept.metadata),
    }


def _listed(key: str, kept: KeptObject) -> Answer:
    return {
        "Key": key,
        "LastModified": kept.last_modified,
        "ETag": kept.etag,
        "Size": len(kept.data),
        "StorageClass": "STANDARD",
    }
