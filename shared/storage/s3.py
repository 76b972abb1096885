"""The object store on S3, with its conditional writes."""

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ConflictError, ContentionError, NotFoundError
from shared.storage.object_store import ObjectSummary, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404", "NotFound"}
# 412: another writer was first.
_CONFLICT = {"PreconditionFailed", "412"}
# 409: another write of the same key is under way. This one was not made; S3 asks to send it again.
_UNDECIDED = {"ConditionalRequestConflict", "OperationAborted", "409"}
_UNCHANGED = {"304", "NotModified"}
_BEHIND_THE_END = {"416", "InvalidRange"}
_WRITE_ATTEMPTS = 8
# What is larger is moved in parts, and in parallel; the bound is that of boto3.
_AT_ONCE_BYTES = 8 * 1024 * 1024
_LONGEST_WAIT_SECONDS = 2.0


class S3ObjectStore:
    """Implements `ObjectStore` on one bucket.

    `wait` sleeps for so many seconds, between the attempts at a write that S3 does not decide.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket_name: str,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._bucket_name = bucket_name
        self._wait = wait

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
                if not self._downloaded_at_once(key, temporary):
                    self._client.download_file(self._bucket_name, key, name)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _downloaded_at_once(self, key: str, path: Path) -> bool:
        """Write a small object to `path` by one request.

        `download_file` asks for the size of each object first, and starts threads.

        Returns:
            False when it is large, of a size that is not said, or its body broke off.
        """
        response = self._client.get_object(Bucket=self._bucket_name, Key=key)
        with contextlib.closing(response["Body"]) as body:
            if response.get("ContentLength", _AT_ONCE_BYTES + 1) > _AT_ONCE_BYTES:
                return False
            try:
                path.write_bytes(body.read())
            except BotoCoreError:
                return False
        return True

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
        request: dict[str, Any] = {
            "Body": data,
            "ContentType": content_type,
            "Metadata": dict(metadata or {}),
        }
        if if_match is not None:
            request["IfMatch"] = if_match
        if if_absent:
            request["IfNoneMatch"] = "*"
        for attempt in range(_WRITE_ATTEMPTS):
            try:
                return self._client.put_object(Bucket=self._bucket_name, Key=key, **request)["ETag"]
            except ClientError as error:
                code = _code(error)
                if code not in _UNDECIDED:
                    is_repeated = attempt > 0 or _was_repeated(error)
                    if is_repeated and code in _CONFLICT and (etag := self._landed(key, request)):
                        return etag
                    raise _translate_write(error, key, if_match) from error
            self._wait(_jitter(attempt))
        raise ContentionError(
            f"{key} was not written: other writes of it were under way at each of "
            f"{_WRITE_ATTEMPTS} attempts; try again later"
        )

    def _landed(self, key: str, request: Mapping[str, Any]) -> str | None:
        """Return the etag of what lies at `key` if it is what the request writes.

        The client sends a write whose answer was lost again, and then finds its own write.
        """
        try:
            present = self.get(key)
        except NotFoundError:
            return None
        is_ours = present.data == request["Body"] and present.metadata == request["Metadata"]
        return present.etag if is_ours else None

    def upload(self, path: Path, key: str) -> None:
        """Write the local file `path` as an object, in parts and in parallel when it is large."""
        if path.stat().st_size <= _AT_ONCE_BYTES:
            self._client.put_object(Bucket=self._bucket_name, Key=key, Body=path.read_bytes())
            return
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


def _was_repeated(error: ClientError) -> bool:
    """Whether the client had sent the request before, and had no answer or a passing error."""
    return error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0


def _jitter(attempt: int) -> float:
    # Full jitter: writers that met must not meet again at once.
    longest = min(_LONGEST_WAIT_SECONDS, 0.05 * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311 - jitter, not cryptography


def _translate_write(error: ClientError, key: str, if_match: str | None) -> Exception:
    if if_match is not None and _code(error) in _MISSING:
        return ConflictError(f"{key} was deleted by another writer")
    return _translate(error, key)


def _translate(error: ClientError, key: str) -> Exception:
    code = _code(error)
    if code in _MISSING:
        return NotFoundError(f"there is no object at {key}")
    if code in _CONFLICT:
        return ConflictError(f"{key} was changed by another writer ({code})")
    return error


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _translate(error, key) from error
