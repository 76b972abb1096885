"""The object store on S3, with its conditional writes."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from shared.errors import ConflictError, NotFoundError
from shared.storage.object_store import ObjectSummary, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404", "NotFound"}
# 412: somebody was first. 409: a write of the same key is under way; S3 asks to try again.
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_UNCHANGED = {"304", "NotModified"}
_BEHIND_THE_END = {"416", "InvalidRange"}


class S3ObjectStore:
    """Implements `ObjectStore` on one bucket."""

    def __init__(self, client: "S3Client", bucket_name: str) -> None:
        self._client = client
        self._bucket_name = bucket_name

    def get(self, key: str) -> StoredObject:
        """Return the object at `key`."""
        with _translated(key):
            response = self._client.get_object(Bucket=self._bucket_name, Key=key)
            return StoredObject(
                key, response["Body"].read(), response["ETag"], response.get("Metadata", {})
            )

    def get_if_changed(self, key: str, etag: str) -> StoredObject | None:
        """Return the object, or None while its etag is still `etag`."""
        try:
            response = self._client.get_object(Bucket=self._bucket_name, Key=key, IfNoneMatch=etag)
            return StoredObject(
                key, response["Body"].read(), response["ETag"], response.get("Metadata", {})
            )
        except ClientError as error:
            if _code(error) in _UNCHANGED:
                return None
            raise _translate(error, key) from error

    def get_range(self, key: str, offset: int, length: int, *, if_match: str) -> bytes:
        """Return a range of the object while its etag is `if_match`."""
        if length < 1:
            return b""  # a header cannot ask for no bytes
        try:
            response = self._client.get_object(
                Bucket=self._bucket_name,
                Key=key,
                Range=f"bytes={offset}-{offset + length - 1}",
                IfMatch=if_match,
            )
            return response["Body"].read()
        except ClientError as error:
            if _code(error) in _BEHIND_THE_END:
                return b""
            raise _translate(error, key) from error

    def download(self, key: str, path: Path) -> None:
        """Write the object to `path`, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            with _translated(key):
                self._client.download_file(self._bucket_name, key, name)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Write an object, on a condition if one is given."""
        conditions: dict[str, Any] = {}
        if if_match is not None:
            conditions["IfMatch"] = if_match
        if if_absent:
            conditions["IfNoneMatch"] = "*"
        try:
            response = self._client.put_object(
                Bucket=self._bucket_name,
                Key=key,
                Body=data,
                ContentType=content_type,
                Metadata=dict(metadata or {}),
                **conditions,
            )
        except ClientError as error:
            if if_match is not None and _code(error) in _MISSING:
                raise ConflictError(f"{key} was deleted by somebody else") from error
            raise _translate(error, key) from error
        return response["ETag"]

    def upload(self, path: Path, key: str) -> None:
        """Write the local file `path` as an object, in parts and in parallel when it is large."""
        self._client.upload_file(str(path), self._bucket_name, key)

    def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        try:
            self._client.head_object(Bucket=self._bucket_name, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return False
            raise
        return True

    def list(self, prefix: str) -> Iterator[ObjectSummary]:
        """Yield the objects below `prefix` in key order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket_name, Prefix=prefix
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield ObjectSummary(item["Key"], item["Size"], item["ETag"], item["LastModified"])

    def delete(self, key: str) -> None:
        """Delete the object; a missing one is no error."""
        self._client.delete_object(Bucket=self._bucket_name, Key=key)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _translate(error: ClientError, key: str) -> Exception:
    code = _code(error)
    if code in _MISSING:
        return NotFoundError(f"there is no object at {key}")
    if code in _CONFLICT:
        return ConflictError(f"{key} was changed by somebody else ({code})")
    return error


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _translate(error, key) from error
