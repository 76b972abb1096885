"""A store that fails where a test says so: before a call has its effect, or after it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from shared.errors import ConflictError
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import ObjectStore, ObjectSummary, StoredObject

ResultT = TypeVar("ResultT")


class StoreDownError(Exception):
    """What a client raises when the store does not answer; none of our errors."""


@dataclass(frozen=True, slots=True)
class Call:
    """The `number`-th call of a store, from 0."""

    number: int
    name: str
    key: str
    is_conditional: bool = False


Hook = Callable[[Call], None]


def nothing(call: Call) -> None:
    """A hook that lets everything happen."""


def once(name: str, suffix: str, work: Callable[[], object]) -> Hook:
    """A hook that does something at the first call of that name whose key ends so."""
    due = [work]

    def hook(call: Call) -> None:
        if due and call.name == name and call.key.endswith(suffix):
            due.pop()()

    return hook


@dataclass
class HookedStore:
    """Implements `ObjectStore`; says what is about to happen, and what happened."""

    inner: ObjectStore = field(default_factory=MemoryObjectStore)
    before: Hook = nothing
    after: Hook = nothing
    calls: list[Call] = field(default_factory=list)

    def get(self, key: str) -> StoredObject:
        return self._do("get", key, lambda: self.inner.get(key))

    def get_if_changed(self, key: str, etag: str) -> StoredObject | None:
        return self._do("get", key, lambda: self.inner.get_if_changed(key, etag))

    def get_range(self, key: str, offset: int, length: int, *, if_match: str) -> bytes:
        return self._do(
            "get", key, lambda: self.inner.get_range(key, offset, length, if_match=if_match)
        )

    def download(self, key: str, path: Path) -> None:
        self._do("download", key, lambda: self.inner.download(key, path))

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
        return self._do(
            "put",
            key,
            lambda: self.inner.put(
                key,
                data,
                content_type=content_type,
                metadata=metadata,
                if_match=if_match,
                if_absent=if_absent,
            ),
            is_conditional=if_absent or if_match is not None,
        )

    def upload(self, path: Path, key: str) -> None:
        self._do("put", key, lambda: self.inner.upload(path, key))

    def exists(self, key: str) -> bool:
        return self._do("exists", key, lambda: self.inner.exists(key))

    def list(self, prefix: str) -> Iterator[ObjectSummary]:
        yield from self._do("list", prefix, lambda: tuple(self.inner.list(prefix)))

    def delete(self, key: str) -> None:
        self._do("delete", key, lambda: self.inner.delete(key))

    def _do(
        self, name: str, key: str, effect: Callable[[], ResultT], *, is_conditional: bool = False
    ) -> ResultT:
        call = Call(len(self.calls), name, key, is_conditional)
        self.calls.append(call)
        self.before(call)
        result = effect()
        self.after(call)
        return result


Moment = Literal["before", "after", "repeated"]


def failing(
    inner: ObjectStore, number: int, moment: Moment, matches: Callable[[Call], bool] | None = None
) -> HookedStore:
    """A store whose call `number`, of those that match, fails once.

    `before` its effect, or `after` it, when only the answer is lost; `repeated` is a conditional
    write whose answer is lost, which a client sends again and then meets itself.
    """
    seen = {"before": 0, "after": 0}

    def is_due(call: Call, where: Literal["before", "after"]) -> bool:
        if matches is not None and not matches(call):
            return False
        seen[where] += 1
        return seen[where] == number + 1

    def before(call: Call) -> None:
        if is_due(call, "before") and moment == "before":
            raise StoreDownError(f"before {call.name} {call.key}")

    def after(call: Call) -> None:
        if is_due(call, "after") and moment != "before":
            if moment == "repeated" and call.is_conditional:
                raise ConflictError(f"{call.key} was changed by another process")
            raise StoreDownError(f"after {call.name} {call.key}")

    return HookedStore(inner, before, after)
