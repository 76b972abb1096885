"""Expressions mean to the DynamoDB client in memory what AWS documents of them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.aws.dynamodb import MemoryDynamoDB
from tests.simulation.conftest import TABLE
from tests.simulation.dynamodb_calls import code_of, key, put, read, update

ITEM: dict[str, Any] = {
    "n": {"N": "5"},
    "s": {"S": "text"},
    "set": {"SS": ["a", "b"]},
    "list": {"L": [{"S": "x"}, {"N": "1"}]},
    "map": {"M": {"inner": {"N": "7"}}},
}
VALUES: dict[str, Any] = {
    ":five": {"N": "5.0"},
    ":ten": {"N": "10"},
    ":two": {"N": "2"},
    ":text": {"S": "5"},
    ":te": {"S": "te"},
    ":a": {"S": "a"},
    ":x": {"S": "x"},
    ":zz": {"S": "zz"},
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("n = :five", True),
        ("n = :text", False),
        ("n <> :text", True),
        ("missing = :five", False),
        ("missing <> :five", True),
        ("n < :ten", True),
        ("n < :zz", False),
        ("NOT n < :ten", False),
        ("n > :two AND n < :ten", True),
        ("n > :ten OR n = :five AND s = :zz", False),
        ("(n > :ten OR n = :five) AND NOT s = :zz", True),
        ("n BETWEEN :two AND :ten", True),
        ("n IN (:two, :five)", True),
        ("n IN (:two, :text)", False),
        ("attribute_exists(n) AND attribute_not_exists(missing)", True),
        ("begins_with(s, :te)", True),
        ("begins_with(n, :te)", False),
        ("contains(s, :te)", True),
        ("contains(#set, :a)", True),
        ("contains(#set, :zz)", False),
        ("contains(#list, :x)", True),
        ("size(s) > :two", True),
        ("size(#set) = :two", True),
        ("size(n) = :two", False),
        ("#map.inner > :five", True),
        ("#list[1] < :two", True),
        ("attribute_exists(#list[5])", False),
    ],
)
def test_conditions(dynamodb: MemoryDynamoDB, condition: str, holds: bool) -> None:
    put(dynamodb, **ITEM)
    names = {f"#{name}": name for name in ("set", "list", "map") if f"#{name}" in condition}
    words = condition.replace("(", " ").replace(")", " ").replace(",", " ").split()
    request: dict[str, Any] = {"ConditionExpression": condition}
    if values := {name: VALUES[name] for name in VALUES if name in words}:
        request["ExpressionAttributeValues"] = values
    if names:
        request["ExpressionAttributeNames"] = names
    if holds:
        dynamodb.delete_item(TableName=TABLE, Key=key(), **request)
        assert read(dynamodb) is None
    else:
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
            dynamodb.delete_item(TableName=TABLE, Key=key(), **request)
        assert read(dynamodb) is not None


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("SET n = n + :v", {":v": {"N": "2.50"}}, {"n": {"N": "7.5"}}),
        ("SET n = n - :v", {":v": {"N": "7"}}, {"n": {"N": "-2"}}),
        ("SET n = if_not_exists(n, :v)", {":v": {"N": "9"}}, {}),
        ("SET m = if_not_exists(m, :v) + :v", {":v": {"N": "9"}}, {"m": {"N": "18"}}),
        ("SET m = n, n = :v", {":v": {"N": "1"}}, {"m": {"N": "5"}, "n": {"N": "1"}}),
        ("ADD n :v", {":v": {"N": "1e3"}}, {"n": {"N": "1005"}}),
        ("ADD made :v", {":v": {"N": "3"}}, {"made": {"N": "3"}}),
        ("ADD tags :v", {":v": {"SS": ["c", "a"]}}, {"tags": {"SS": ["a", "b", "c"]}}),
        ("DELETE tags :v", {":v": {"SS": ["a"]}}, {"tags": {"SS": ["b"]}}),
        ("DELETE tags :v", {":v": {"SS": ["a", "b"]}}, {"tags": None}),
        ("DELETE missing :v", {":v": {"SS": ["a"]}}, {}),
        ("REMOVE n, tags", None, {"n": None, "tags": None}),
        (
            "SET rows = list_append(rows, :v)",
            {":v": {"L": [{"N": "2"}]}},
            {"rows": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}},
        ),
        (
            "SET rows[1] = :v, rows[9] = :v",
            {":v": {"N": "5"}},
            {"rows": {"L": [{"N": "0"}, {"N": "5"}, {"N": "5"}]}},
        ),
        ("REMOVE rows[0], rows[1]", None, {"rows": {"L": []}}),
        (
            "SET doc.deep = :v REMOVE doc.inner",
            {":v": {"N": "1"}},
            {"doc": {"M": {"deep": {"N": "1"}}}},
        ),
    ],
)
def test_updates(
    dynamodb: MemoryDynamoDB, expression: str, values: Any, expected: dict[str, Any]
) -> None:
    before: dict[str, Any] = {
        "n": {"N": "5"},
        "tags": {"SS": ["b", "a"]},
        "rows": {"L": [{"N": "0"}, {"N": "1"}]},
        "doc": {"M": {"inner": {"N": "7"}}},
    }
    put(dynamodb, **before)
    request = {} if values is None else {"ExpressionAttributeValues": values}
    answer = update(dynamodb, expression, ReturnValues="ALL_NEW", **request)
    after = {**before, "tags": {"SS": ["a", "b"]}, **expected}
    assert read(dynamodb) == {name: value for name, value in after.items() if value is not None}
    assert answer["Attributes"] == {**key(), **(read(dynamodb) or {})}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("SET n = missing + :v", {":v": {"N": "1"}}),
        ("SET n = missing", None),
        ("SET n = s + :v", {":v": {"N": "1"}}),
        ("SET n = n + :v", {":v": {"S": "1"}}),
        ("ADD s :v", {":v": {"N": "1"}}),
        ("ADD n :v", {":v": {"S": "1"}}),
        ("DELETE n :v", {":v": {"N": "1"}}),
        ("SET n = :v, n = :v", {":v": {"N": "1"}}),
        ("SET a.b = :v", {":v": {"N": "1"}}),
        ("SET n = :v SET s = :v", {":v": {"N": "1"}}),
        ("SET n = :v,", {":v": {"N": "1"}}),
        ("SET n = :w", {":v": {"N": "1"}}),
        ("SET n = :v", {":v": {"N": "1"}, ":unused": {"N": "1"}}),
        ("SET n = :v", {}),
        ("SET n = :v", {":v": {"SS": []}}),
        ("SET n = :v", {":v": {"N": "one"}}),
        ("SET n = :v", {":v": {"N": "1" * 39}}),
        ("SET PK = :v", {":v": {"S": "other"}}),
        ("SET n = :v", {":v": {"S": "x" * 409_600}}),
    ],
)
def test_updates_that_are_refused(dynamodb: MemoryDynamoDB, expression: str, values: Any) -> None:
    put(dynamodb, n={"N": "5"}, s={"S": "text"})
    before = read(dynamodb)
    request = {} if values is None else {"ExpressionAttributeValues": values}
    with pytest.raises(ClientError) as error:
        update(dynamodb, expression, **request)
    assert code_of(error) == "ValidationException"
    assert read(dynamodb) == before


def test_an_unused_name_and_an_unknown_function_are_refused(dynamodb: MemoryDynamoDB) -> None:
    with pytest.raises(ClientError, match="unused"):
        update(dynamodb, "REMOVE a", ExpressionAttributeNames={"#b": "b"})
    with pytest.raises(NotImplementedError, match="attribute_type"):
        update(dynamodb, "REMOVE a", ConditionExpression="attribute_type(a, :s)")
    with pytest.raises(NotImplementedError, match="ReturnConsumedCapacity"):
        dynamodb.get_item(TableName=TABLE, Key=key(), ReturnConsumedCapacity="TOTAL")
