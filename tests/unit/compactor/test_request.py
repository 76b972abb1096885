"""Direct invocations: exactly one task, and errors that say what to send."""

from typing import Any

import pytest

from services.compactor.request import parse_request
from shared.errors import InvalidInputError


def test_each_task_is_understood() -> None:
    restore = parse_request({"restore": {"corpus": "a", "version": 3}}).restore
    assert restore is not None
    assert (restore.corpus, restore.version) == ("a", 3)
    assert parse_request({"rebuild": {"corpus": "a"}}).rebuild is not None
    assert parse_request({"maintain": {"corpus": "a"}}).maintain is not None
    marked = parse_request({"mark_bad": {"corpus": "a", "shard": "0123abcd"}}).mark_bad
    assert marked is not None
    assert (marked.corpus, marked.shard, marked.rebuild) == ("a", "0123abcd", True)


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, "one task"),
        ({"rebuild": {"corpus": "a"}, "maintain": {"corpus": "a"}}, "one task"),
        ({"rebuild": None}, "one task"),
        ({"rebuild": {}}, "rebuild.corpus"),
        ({"rebuild": {"corpus": "../x"}}, "rebuild.corpus"),
        ({"rebuild": {"corpus": "a", "version": 1}}, "rebuild.version"),
        ({"restore": {"corpus": "a"}}, "restore.version"),
        ({"restore": {"corpus": "a", "version": 0}}, "restore.version"),
        ({"restore": {"corpus": "a", "version": "x"}}, "restore.version"),
        ({"sweep": {"corpus": "a"}}, "sweep"),
        ({"maintain": "a"}, "maintain"),
        ({"mark_bad": {"corpus": "a"}}, "mark_bad.shard"),
        ({"mark_bad": {"corpus": "a", "shard": "../x"}}, "mark_bad.shard"),
        ({"mark_bad": {"corpus": "a", "shard": "0123abcd", "rebuild": "perhaps"}}, "mark_bad"),
    ],
)
def test_anything_else_is_refused(event: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named) as caught:
        parse_request(event)
    assert '{"rebuild": {"corpus"' in str(caught.value)
