"""Transactions that collide: no local AWS makes collisions, so a scripted client does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import ConflictError, ContentionError
from shared.table.table import ConditionFailedError, ItemTooLargeError, StateTable
from shared.table.typed_values import deserialise, serialise, size_bytes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONFLICT = ["None", "TransactionConflict"]


class ScriptedClient:
    """Cancels one transaction for each entry of the script, then lets them pass."""

    def __init__(self, script: Sequence[Sequence[str] | str]) -> None:
        self.script = list(script)
        self.calls = 0
        self.tokens: set[str] = set()

    def transact_write_items(self, ClientRequestToken: str, **_: Any) -> None:  # noqa: N803
        self.calls += 1
        self.tokens.add(ClientRequestToken)
        if not self.script:
            return
        codes = self.script.pop(0)
        if isinstance(codes, str):
            raise ClientError({"Error": {"Code": codes, "Message": ""}}, "TransactWriteItems")
        response: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": ""},
            "CancellationReasons": [{"Code": code} for code in codes],
        }
        raise ClientError(response, "TransactWriteItems")


def transact(script: Sequence[Sequence[str] | str]) -> tuple[ScriptedClient, list[float]]:
    client = ScriptedClient(script)
    waits: list[float] = []
    table = StateTable(cast("DynamoDBClient", client), "table", waits.append)
    table.transact([table.put_write({"PK": "a", "SK": "b"})])
    return client, waits


def test_a_collision_is_tried_again_after_a_wait() -> None:
    client, waits = transact([CONFLICT, CONFLICT, "TransactionConflictException"])
    assert client.calls == 4
    assert len(client.tokens) == 1  # an attempt that landed unseen is found, not met
    assert len(waits) == 3
    assert all(0 <= wait <= 1 for wait in waits)


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_was_throttled_is_tried_again_after_a_wait(code: str) -> None:
    client, waits = transact([["None", code], CONFLICT])
    assert (client.calls, len(waits)) == (3, 2)


@pytest.mark.parametrize("codes", [CONFLICT, ["ThrottlingError", "None"]])
def test_what_never_stops_colliding_decides_nothing(codes: Sequence[str]) -> None:
    with pytest.raises(ContentionError, match="kept colliding") as caught:
        transact([codes] * 100)
    assert not isinstance(caught.value, ConflictError)


def test_a_condition_that_failed_is_not_tried_again() -> None:
    with pytest.raises(ConditionFailedError) as caught:
        transact([["None", "ConditionalCheckFailed", "TransactionConflict"]])
    assert caught.value.indexes == (1,)


@pytest.mark.parametrize("script", [["ThrottlingException"], [["ValidationError", "None"]]])
def test_other_errors_come_through(script: Sequence[Sequence[str] | str]) -> None:
    with pytest.raises(ClientError):
        transact(script)


VALUES = st.recursive(
    st.text() | st.integers(-(10**12), 10**12) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(min_size=1), VALUES))
def test_values_come_back_as_they_went(values: dict[str, Any]) -> None:
    assert deserialise(serialise(values)) == values


def test_what_is_none_is_not_written() -> None:
    assert serialise({"a": None, "b": "x"}) == {"b": {"S": "x"}}


class HalfReader:
    """Answers a batch of reads by halves, or never."""

    def __init__(self, *, ever: bool = True) -> None:
        self.ever = ever
        self.calls: list[int] = []

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        keys = RequestItems["table"]["Keys"]
        assert RequestItems["table"]["ConsistentRead"]
        self.calls.append(len(keys))
        done = len(keys) if len(keys) == 1 else len(keys) // 2
        if not self.ever:
            done = 0
        left = {"table": {**RequestItems["table"], "Keys": keys[done:]}}
        return {
            "Responses": {"table": keys[:done]},
            "UnprocessedKeys": left if keys[done:] else {},
        }


def test_reads_that_were_left_undone_are_asked_for_again() -> None:
    client, waits = HalfReader(), list[float]()
    table = StateTable(cast("DynamoDBClient", client), "table", waits.append)
    keys = [(f"p{n}", "s") for n in range(150)]
    found = {(item["PK"], item["SK"]) for item in table.get_many([*keys, *keys[:3]])}
    assert found == set(keys)
    assert client.calls[0] == 100
    assert len(waits) == len(client.calls) - 2


def test_reads_that_are_never_done_are_an_error() -> None:
    table = StateTable(cast("DynamoDBClient", HalfReader(ever=False)), "table", lambda _: None)
    with pytest.raises(ContentionError, match="left 2 of 2 reads undone"):
        list(table.get_many([("a", "s"), ("b", "s")]))


def test_of_many_writes_only_those_whose_condition_fails_are_left_out() -> None:
    failed = ["ConditionalCheckFailed" if n in {1, 4} else "None" for n in range(100)]
    late = ["ConditionalCheckFailed", *["None"] * 97]
    client = ScriptedClient([failed, late])
    table = StateTable(cast("DynamoDBClient", client), "table", lambda _: None)
    writes = [table.put_write({"PK": f"p{n}", "SK": "s"}) for n in range(120)]
    assert table.transact_each(writes) == {0, 1, 4}
    assert client.calls == len(client.tokens) == 4  # other writes: another token


def sized(number: int, length: int) -> dict[str, Any]:
    return {"PK": f"p{number}", "SK": "s", "text": "x" * length}


class RecordingClient:
    """Makes every transaction, and remembers what was in each."""

    def __init__(self) -> None:
        self.transactions: list[list[dict[str, Any]]] = []

    def transact_write_items(self, TransactItems: Any, **_: Any) -> None:  # noqa: N803
        self.transactions.append([deserialise(write["Put"]["Item"]) for write in TransactItems])


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 390_000) | st.integers(0, 100), max_size=150))
@example([390_000] * 11)
@example([0] * 101)
def test_writes_are_parted_by_count_and_by_bytes(lengths: list[int]) -> None:
    client = RecordingClient()
    table = StateTable(cast("DynamoDBClient", client), "table", lambda _: None)
    items = [sized(number, length) for number, length in enumerate(lengths)]
    assert table.transact_each([table.put_write(item) for item in items]) == set()
    assert [item for made in client.transactions for item in made] == items
    for made in client.transactions:
        assert 1 <= len(made) <= 100
        assert sum(len(item["text"]) for item in made) <= 4_000_000


def test_an_item_that_is_too_large_is_named() -> None:
    table = StateTable(cast("DynamoDBClient", RecordingClient()), "table", lambda _: None)
    table.put_write(sized(1, 390_000))
    with pytest.raises(ItemTooLargeError, match=r"item s of p1 has 4000\d\d bytes"):
        table.put_write(sized(1, 400_000))


@given(st.dictionaries(st.text(min_size=1), VALUES))
def test_a_size_is_never_below_that_of_the_text_alone(values: dict[str, Any]) -> None:
    assert size_bytes(serialise(values)) >= sum(len(name.encode()) for name in values)


@pytest.mark.parametrize(
    ("value", "least"),
    [("ä" * 50, 100), ({"a", "bc"}, 3), ([["x" * 9]], 9), ({"k": "v"}, 2), (b"1234", 4)],
)
def test_a_size_counts_the_bytes_of_every_value(value: Any, least: int) -> None:
    assert least <= size_bytes(serialise({"n": value})) - len("n") <= least + 32


class LaggingCopy:
    """Answers reads that are not consistent from a copy that lacks what was written last."""

    def get_item(self, *, ConsistentRead: bool = False, **_: Any) -> Any:  # noqa: N803 - boto3's name
        return {"Item": {"PK": {"S": "p"}, "SK": {"S": "s"}}} if ConsistentRead else {}

    def get_paginator(self, name: str) -> "LaggingCopy":
        assert name == "query"
        return self

    def paginate(self, *, ConsistentRead: bool = False, **_: Any) -> Any:  # noqa: N803 - boto3's name
        return [
            {
                "Items": [found["Item"]]
                if (found := self.get_item(ConsistentRead=ConsistentRead))
                else []
            }
        ]


def test_reads_see_what_was_written_last() -> None:
    table = StateTable(cast("DynamoDBClient", LaggingCopy()), "table")
    item = {"PK": "p", "SK": "s"}
    assert table.get("p", "s") == item
    assert list(table.query("p", "s")) == [item]
