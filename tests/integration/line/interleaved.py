"""What another process does at a moment that a test names."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.table.table import StateTable
from shared.table.typed_values import Item

Work = Callable[[], object]


def before_next(patch: pytest.MonkeyPatch, owner: object, name: str, work: Work) -> None:
    """Have something else happen just before the next call of a method."""
    call = getattr(owner, name)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        patch.setattr(owner, name, call)
        work()
        return call(*arguments, **options)

    patch.setattr(owner, name, interrupted)


def after_next(patch: pytest.MonkeyPatch, owner: object, name: str, work: Work) -> None:
    """Have something else happen just after the next call of a method, with its old answer."""
    call = getattr(owner, name)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        patch.setattr(owner, name, call)
        answer = call(*arguments, **options)
        work()
        return answer

    patch.setattr(owner, name, interrupted)


def after_next_read(patch: pytest.MonkeyPatch, table: StateTable, work: Work) -> None:
    """Have something else happen after the next read of a table, whatever it reads."""
    get, query = table.get, table.query

    def interrupt() -> None:
        patch.setattr(table, "get", get)
        patch.setattr(table, "query", query)
        work()

    def get_before(pk: str, sk: str) -> Item | None:
        found = get(pk, sk)
        interrupt()
        return found

    def query_before(pk: str, sk_prefix: str, **options: bool) -> Iterator[Item]:
        found = list(query(pk, sk_prefix, **options))
        interrupt()
        return iter(found)

    patch.setattr(table, "get", get_before)
    patch.setattr(table, "query", query_before)
