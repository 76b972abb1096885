"""The DynamoDB client in memory does what AWS documents of DynamoDB."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.table.table_clock import ResponseClock
from tests.simulation.aws.dynamodb import MemoryDynamoDB
from tests.simulation.conftest import TABLE, SetClock
from tests.simulation.dynamodb_calls import code_of, key, put, read, update


def put_write(sort: str, size_bytes: int = 0, **request: Any) -> dict[str, Any]:
    item = {**key(sort), "data": {"S": "x" * size_bytes}}
    return {"Put": {"TableName": TABLE, "Item": item, **request}}


def test_an_update_makes_a_missing_item_and_a_failed_one_tells_of_it(
    dynamodb: MemoryDynamoDB,
) -> None:
    update(dynamodb, "ADD n :v", ExpressionAttributeValues={":v": {"N": "1"}})
    assert read(dynamodb) == {"n": {"N": "1"}}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as error:
        update(
            dynamodb,
            "REMOVE n",
            ConditionExpression="attribute_not_exists(PK)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert error.value.response["Item"] == {**key(), "n": {"N": "1"}}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "wrong",
    [{"PK": {"S": "p"}}, {**key(), "n": {"N": "1"}}, key(""), {"PK": {"N": "1"}, "SK": {"S": "s"}}],
)
def test_wrong_keys_are_refused(dynamodb: MemoryDynamoDB, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        dynamodb.get_item(TableName=TABLE, Key=wrong)
    assert code_of(error) == "ValidationException"


def test_what_is_returned_and_what_is_given_is_not_what_is_kept(dynamodb: MemoryDynamoDB) -> None:
    item: dict[str, Any] = {**key(), "set": {"SS": ["a"]}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    item["set"]["SS"].append("b")
    dynamodb.get_item(TableName=TABLE, Key=key())["Item"]["set"]["SS"].append("c")
    assert read(dynamodb) == {"set": {"SS": ["a"]}}


def test_a_transaction_makes_all_or_none(dynamodb: MemoryDynamoDB) -> None:
    put(dynamodb, "there", n={"N": "1"})
    refused = put_write("there", ConditionExpression="attribute_not_exists(PK)")
    refused["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    misfit: dict[str, Any] = {"TableName": TABLE, "Key": key("x"), "UpdateExpression": "SET a = b"}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as error:
        dynamodb.transact_write_items(TransactItems=[put_write("new"), refused, {"Update": misfit}])
    reasons: Any = error.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == [
        "None",
        "ConditionalCheckFailed",
        "ValidationError",
    ]
    assert reasons[1]["Item"]["n"] == {"N": "1"}
    assert read(dynamodb, "new") is None
    check = {"TableName": TABLE, "Key": key("there"), "ConditionExpression": "attribute_exists(n)"}
    dynamodb.transact_write_items(TransactItems=[put_write("new"), {"ConditionCheck": check}])
    assert read(dynamodb, "new") is not None


def test_the_bounds_of_a_transaction(dynamodb: MemoryDynamoDB) -> None:
    too_many = [put_write(str(number)) for number in range(101)]
    twice = [put_write("same"), {"Delete": {"TableName": TABLE, "Key": key("same")}}]
    too_large = [put_write(str(number), 399_000) for number in range(11)]
    for writes in (too_many, twice, too_large, []):
        with pytest.raises(ClientError) as error:
            dynamodb.transact_write_items(TransactItems=writes)
        assert code_of(error) == "ValidationException"
    assert list(dynamodb.items(TABLE)) == []
    dynamodb.transact_write_items(TransactItems=too_many[:100])
    dynamodb.transact_write_items(TransactItems=too_large[:10])


def test_a_token_makes_a_transaction_once_in_ten_minutes(
    dynamodb: MemoryDynamoDB, clock: SetClock
) -> None:
    request: dict[str, Any] = {
        "TransactItems": [put_write("s", ConditionExpression="attribute_not_exists(PK)")],
        "ClientRequestToken": "token",
    }
    dynamodb.transact_write_items(**request)
    clock.put_on(600)
    dynamodb.transact_write_items(**request)
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        dynamodb.transact_write_items(**{**request, "TransactItems": [put_write("other")]})
    clock.put_on(1)
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(**request)


def test_batches(dynamodb: MemoryDynamoDB) -> None:
    entries = [{"PutRequest": {"Item": key(str(number))}} for number in range(25)]
    dynamodb.batch_write_item(RequestItems={TABLE: entries})
    asked = [key(str(number)) for number in range(100)]
    answer = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": asked, "ConsistentRead": True}})
    assert len(answer["Responses"][TABLE]) == 25
    for keys in ([*asked, key("more")], [key(), key()]):
        with pytest.raises(ClientError) as error:
            dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})
        assert code_of(error) == "ValidationException"
    for number in range(45):
        put(dynamodb, str(number), data={"S": "x" * 400_000})
    answer = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": asked}})
    left = answer["UnprocessedKeys"][TABLE]["Keys"]
    assert len(answer["Responses"][TABLE]) + len(left) == 45
    assert left


def sorts(pages: Any) -> list[list[str]]:
    return [[item["SK"]["S"] for item in page["Items"]] for page in pages]


def test_queries_in_pages(clock: SetClock) -> None:
    client = MemoryDynamoDB(clock, page_bytes=250)
    client.add_table(TABLE)
    for sort in ("b", "a3", "a1", "a2", "c"):
        put(client, sort, data={"S": "x" * 100})
    client.put_item(TableName=TABLE, Item=key("a0", "other"))
    request: dict[str, Any] = {
        "TableName": TABLE,
        "KeyConditionExpression": "PK = :pk AND begins_with(SK, :sk)",
        "ExpressionAttributeValues": {":pk": {"S": "p"}, ":sk": {"S": "a"}},
    }
    paginate = client.get_paginator("query").paginate
    assert sorts(paginate(**request)) == [["a1", "a2"], ["a3"]]
    assert sorts(paginate(**request, ScanIndexForward=False)) == [["a3", "a2"], ["a1"]]
    # AWS names a next page also where the bound is met by the very last item.
    assert sorts(paginate(**request, Limit=3)) == [["a1", "a2"], ["a3"]]
    assert sorts(paginate(**request, Limit=1)) == [["a1"], ["a2"], ["a3"], []]
    pages = paginate(**request)
    next(pages)
    put(client, "a25", data={"S": ""})
    assert sorts(pages) == [["a25", "a3"]]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("SK = :v", ["b"]),
        ("SK < :v", ["a"]),
        ("SK <= :v", ["a", "b"]),
        ("SK > :v", ["c"]),
        ("SK >= :v", ["b", "c"]),
        ("SK BETWEEN :v AND :v", ["b"]),
    ],
)
def test_key_conditions(dynamodb: MemoryDynamoDB, term: str, expected: list[str]) -> None:
    for sort in "abc":
        put(dynamodb, sort)
    answer = dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression=f"PK = :pk AND {term}",
        ExpressionAttributeValues={":pk": {"S": "p"}, ":v": {"S": "b"}},
    )
    assert sorts([answer]) == [expected]


def test_a_filter_and_a_projection(dynamodb: MemoryDynamoDB) -> None:
    for number, sort in enumerate("abc"):
        put(dynamodb, sort, n={"N": str(number)}, rest={"S": "rest"})
    answer = dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression="#pk = :pk",
        FilterExpression="n > :zero",
        ProjectionExpression="SK, n",
        ExpressionAttributeNames={"#pk": "PK"},
        ExpressionAttributeValues={":pk": {"S": "p"}, ":zero": {"N": "0"}},
    )
    assert answer["Items"][0] == {"SK": {"S": "b"}, "n": {"N": "1"}}
    assert (answer["Count"], answer["ScannedCount"]) == (2, 3)


def test_items_expire_only_when_they_are_told_to(dynamodb: MemoryDynamoDB, clock: SetClock) -> None:
    put(dynamodb, "old", ttl={"N": str(int(clock().timestamp()) - 1)})
    put(dynamodb, "new", ttl={"N": str(int(clock().timestamp()) + 9)})
    put(dynamodb, "text", ttl={"S": "0"})
    clock.put_on(60)
    assert read(dynamodb, "old") is not None
    assert dynamodb.expire(clock() - timedelta(seconds=60)) == 1
    assert [item["SK"]["S"] for item in dynamodb.items(TABLE)] == ["new", "text"]


def test_answers_and_errors_are_dated(dynamodb: MemoryDynamoDB, clock: SetClock) -> None:
    table_clock = ResponseClock(dynamodb, TABLE, clock, lambda: 0.0)  # type: ignore[arg-type]
    assert table_clock.now() == clock()
    clock.put_on(100)
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException) as error:
        dynamodb.get_item(TableName="other", Key=key())
    headers = error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["date"] == "Sun, 01 Mar 2026 12:01:40 GMT"
    assert table_clock.now() == clock()
