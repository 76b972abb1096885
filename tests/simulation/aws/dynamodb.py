"""A DynamoDB client in memory: the low-level shapes of boto3, at a time that a test sets."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Never

from tests.simulation.aws import dynamodb_transactions as transactions
from tests.simulation.aws.calls import (
    Answer,
    Clock,
    ServiceAnswers,
    ServiceErrors,
    check_parameters,
)
from tests.simulation.aws.dynamodb_reads import (
    QUERY_PARAMETERS,
    READ_PARAMETERS,
    query_page,
    read_batch,
    read_projection,
)
from tests.simulation.aws.dynamodb_table import Table
from tests.simulation.aws.dynamodb_writes import (
    EXPRESSION_PARAMETERS,
    Write,
    read_write,
)
from tests.simulation.aws.paginators import Paginator, make_paginator
from tests.simulation.aws.typed_values import Item, RefusedRequestError, copied_item

_ERRORS = {
    "ConditionalCheckFailedException": "ConditionalCheckFailedException",
    "TransactionCanceledException": "TransactionCanceledException",
    "TransactionConflictException": "TransactionConflictException",
    "TransactionInProgressException": "TransactionInProgressException",
    "IdempotentParameterMismatchException": "IdempotentParameterMismatchException",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceededException",
    "ThrottlingException": "ThrottlingException",
    "RequestLimitExceeded": "RequestLimitExceeded",
    "InternalServerError": "InternalServerError",
    "ResourceNotFoundException": "ResourceNotFoundException",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceededException",
}
_MOST_READS = 100
_MOST_BATCH_WRITES = 25
_MOST_READ_BYTES = 16 * 1024 * 1024
_ITEM_OF_KIND = {"Put": "Item", "Update": "Key", "Delete": "Key", "ConditionCheck": "Key"}
_OF_KIND = {
    kind: (
        frozenset({"TableName", needed})
        | ({"ConditionExpression"} if kind == "ConditionCheck" else set())
        | ({"UpdateExpression"} if kind == "Update" else set()),
        EXPRESSION_PARAMETERS,
    )
    for kind, needed in _ITEM_OF_KIND.items()
}
_ONE_WRITE = EXPRESSION_PARAMETERS | {"ReturnValues"}


class MemoryDynamoDB:
    """Keeps tables whose keys are two strings; each call is done at once, as a whole.

    `clock` tells the time, by which answers are dated and tokens of transactions forgotten. A page
    of a query holds `page_bytes` at most. Reads are always consistent.
    """

    def __init__(self, clock: Clock, page_bytes: int = 1024 * 1024) -> None:
        self._clock = clock
        self._page_bytes = page_bytes
        self._tables: dict[str, Table] = {}
        self._tokens = transactions.Tokens()
        self.exceptions = ServiceErrors(_ERRORS)
        self._answers = ServiceAnswers("dynamodb", clock, self.exceptions)
        self.meta = SimpleNamespace(events=self._answers.events)

    def add_table(
        self,
        name: str,
        partition_key: str = "PK",
        sort_key: str = "SK",
        ttl_attribute: str = "ttl",
    ) -> None:
        """Make an empty table."""
        self._tables[name] = Table(name, partition_key, sort_key, ttl_attribute)

    def items(self, table_name: str) -> Iterator[Item]:
        """Yield copies of all items of a table, by their keys; no call of boto3."""
        return (copied_item(item) for item in self._tables[table_name].items())

    def expire(self, now: datetime) -> int:
        """Delete the items whose time to live has passed at `now`; return how many there were.

        DynamoDB does that some time after it has passed, so nothing else deletes them here.
        """
        expired = [
            (table, table.key_in(item))
            for table in self._tables.values()
            for item in table.items()
            if "N" in (until := item.get(table.ttl_attribute, {}))
            and float(until["N"]) < now.timestamp()
        ]
        for table, key in expired:
            table.write(key, None)
        return len(expired)

    def get_paginator(self, operation: str) -> Paginator:
        """Return the paginator of an operation."""
        return make_paginator(operation, self)

    def get_item(self, **request: Any) -> Answer:
        """Read an item."""
        required = frozenset({"TableName", "Key"})
        check_parameters("GetItem", request, required, READ_PARAMETERS)
        table = self._table("GetItem", request)
        try:
            key = table.key_of(request["Key"])
            project = read_projection(request)
        except RefusedRequestError as error:
            self._refuse("GetItem", error)
        item = table.find(key)
        return self._answers.answer({} if item is None else {"Item": copied_item(project(item))})

    def batch_get_item(self, **request: Any) -> Answer:
        """Read up to a hundred items; those beyond 16 MB are left unprocessed."""
        check_parameters("BatchGetItem", request, frozenset({"RequestItems"}), frozenset())
        asked = request["RequestItems"]
        if not 1 <= sum(len(part["Keys"]) for part in asked.values()) <= _MOST_READS:
            self._refuse("BatchGetItem", "Too many items requested for the BatchGetItem call")
        found: dict[str, list[Item]] = {}
        unread: dict[str, Any] = {}
        left_bytes = _MOST_READ_BYTES
        for name, part in asked.items():
            table, found[name] = self._table("BatchGetItem", {"TableName": name}), []
            try:
                present = read_batch(table, part)
            except RefusedRequestError as error:
                self._refuse("BatchGetItem", error)
            for key, item, size_bytes in present:
                left_bytes -= size_bytes
                if left_bytes < 0:
                    unread.setdefault(name, {**part, "Keys": []})["Keys"].append(key)
                else:
                    found[name].append(copied_item(item))
        return self._answers.answer({"Responses": found, "UnprocessedKeys": unread})

    def put_item(self, **request: Any) -> Answer:
        """Write an item whole."""
        check_parameters("PutItem", request, frozenset({"TableName", "Item"}), _ONE_WRITE)
        return self._write_one("PutItem", "Put", request, ("NONE", "ALL_OLD"))

    def update_item(self, **request: Any) -> Answer:
        """Change an item; a missing one is made."""
        optional = _ONE_WRITE | {"UpdateExpression"}
        check_parameters("UpdateItem", request, frozenset({"TableName", "Key"}), optional)
        return self._write_one("UpdateItem", "Update", request, ("NONE", "ALL_OLD", "ALL_NEW"))

    def delete_item(self, **request: Any) -> Answer:
        """Delete an item; a missing one is no error."""
        check_parameters("DeleteItem", request, frozenset({"TableName", "Key"}), _ONE_WRITE)
        return self._write_one("DeleteItem", "Delete", request, ("NONE", "ALL_OLD"))

    def _write_one(
        self, operation: str, kind: str, request: Mapping[str, Any], answers: Sequence[str]
    ) -> Answer:
        returned = request.get("ReturnValues", "NONE")
        if returned not in answers:
            raise NotImplementedError(f"{operation} with ReturnValues {returned}")
        table = self._table(operation, request)
        try:
            write = read_write(table, kind, request)
            present = table.find(write.key)
            if not write.is_allowed(present):
                self._fail_condition(operation, write, present)
            result = write.result(present)
        except RefusedRequestError as error:
            self._refuse(operation, error)
        table.write(write.key, result)
        shown = {"NONE": None, "ALL_OLD": present, "ALL_NEW": result}[returned]
        return self._answers.answer({"Attributes": copied_item(shown)} if shown else {})

    def batch_write_item(self, **request: Any) -> Answer:
        """Put and delete up to 25 items, each by itself."""
        check_parameters("BatchWriteItem", request, frozenset({"RequestItems"}), frozenset())
        writes: list[Write] = []
        for name, entries in request["RequestItems"].items():
            table = self._table("BatchWriteItem", {"TableName": name})
            for entry in entries:
                ((kind, content),) = entry.items()
                try:
                    writes.append(read_write(table, kind.removesuffix("Request"), content))
                except RefusedRequestError as error:
                    self._refuse("BatchWriteItem", error)
        if not 1 <= len(writes) <= _MOST_BATCH_WRITES:
            self._refuse("BatchWriteItem", "Too many items requested for the BatchWriteItem call")
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            self._refuse("BatchWriteItem", "Provided list of item keys contains duplicates")
        for write in writes:
            write.table.write(write.key, write.result(None))
        return self._answers.answer({"UnprocessedItems": {}})

    def transact_write_items(self, **request: Any) -> Answer:
        """Make up to a hundred writes, all or none of them."""
        operation = "TransactWriteItems"
        optional = frozenset({"ClientRequestToken"})
        check_parameters(operation, request, frozenset({"TransactItems"}), optional)
        if not 1 <= len(request["TransactItems"]) <= transactions.MOST_WRITES:
            self._refuse(
                operation, "Member must have length less than or equal to 100, and at least 1"
            )
        now, token = self._clock(), request.get("ClientRequestToken")
        try:
            writes = [self._transaction_write(entry) for entry in request["TransactItems"]]
            transactions.check_targets(writes)
            made = None if token is None else self._tokens.find(token, now)
            if made is not None:
                return self._answer_again(made, writes)
            decision = transactions.decide(writes)
        except RefusedRequestError as error:
            self._refuse(operation, error)
        if decision.is_cancelled:
            reasons = list(decision.reasons)
            code = "TransactionCanceledException"
            self._answers.fail(operation, code, decision.message, CancellationReasons=reasons)
        for write, result in zip(writes, decision.results, strict=True):
            write.table.write(write.key, result)
        if token is not None:
            self._tokens.note(token, now, writes)
        return self._answers.answer({})

    def _transaction_write(self, entry: Mapping[str, Any]) -> Write:
        if len(entry) != 1:
            raise RefusedRequestError(
                "TransactItems can only contain one of Check, Put, Update or Delete"
            )
        ((kind, content),) = entry.items()
        required, optional = _OF_KIND[kind]
        check_parameters(f"TransactWriteItems with {kind}", content, required, optional)
        return read_write(self._table("TransactWriteItems", content), kind, content)

    def _answer_again(self, made: Sequence[Write], writes: Sequence[Write]) -> Answer:
        if list(made) != list(writes):
            self._answers.fail(
                "TransactWriteItems",
                "IdempotentParameterMismatchException",
                "The token was used with other parameters",
            )
        return self._answers.answer({})

    def query(self, **request: Any) -> Answer:
        """Read a page of a partition."""
        required = frozenset({"TableName", "KeyConditionExpression"})
        check_parameters("Query", request, required, QUERY_PARAMETERS)
        table = self._table("Query", request)
        try:
            return self._answers.answer(query_page(table, request, self._page_bytes))
        except RefusedRequestError as error:
            self._refuse("Query", error)

    def _table(self, operation: str, request: Mapping[str, Any]) -> Table:
        table = self._tables.get(request["TableName"])
        if table is None:
            code = "ResourceNotFoundException"
            self._answers.fail(operation, code, "Requested resource not found")
        return table

    def _refuse(self, operation: str, reason: RefusedRequestError | str) -> Never:
        self._answers.fail(operation, "ValidationException", str(reason))

    def _fail_condition(self, operation: str, write: Write, present: Item | None) -> Never:
        beside: Answer = {}
        if write.returns_old_on_failure and present is not None:
            beside["Item"] = copied_item(present)
        code = "ConditionalCheckFailedException"
        self._answers.fail(operation, code, "The conditional request failed", **beside)
