"""Single writes to a DynamoDB table: read from a request, decided, and made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.aws.dynamodb_table import Key, Table
from tests.simulation.aws.expressions import (
    Condition,
    Placeholders,
    Update,
    check_placeholders,
    compile_condition,
    compile_update,
)
from tests.simulation.aws.typed_values import (
    Item,
    RefusedRequestError,
    checked_item,
    is_too_large,
)

EXPRESSION_PARAMETERS = frozenset(
    {
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)
"""What every write takes beside what it writes."""

_FAILURE_ANSWERS = ("NONE", "ALL_OLD")


@dataclass(frozen=True, slots=True)
class Write:
    """A write as it was asked for: a put has an `item`, an update an `update`.

    A delete removes what is there, a check changes nothing.
    """

    table: Table
    key: Key
    kind: str
    item: Item | None
    update: Update | None
    condition: Condition | None
    names: Mapping[str, str]
    values: Item
    returns_old_on_failure: bool

    def is_allowed(self, present: Item | None) -> bool:
        """Whether the condition holds for what is there."""
        if self.condition is None:
            return True
        return self.condition.holds(present or {}, self.names, self.values)

    def result(self, present: Item | None) -> Item | None:
        """Return what is there afterwards; None where there is nothing.

        Raises:
            RefusedRequestError: an update does not fit the item, or makes it too large.
        """
        if self.kind == "Put":
            return self.item
        if self.kind == "Delete":
            return None
        if self.kind == "ConditionCheck":
            return present
        before = present or {}
        changed = before
        if self.update is not None:
            changed = self.update.apply(before, self.names, self.values)
        if present is None:
            # An item that does not exist has no keys to be read, though it gets them.
            changed = self.table.key_attributes(self.key) | changed
        if is_too_large(changed):
            raise RefusedRequestError("Item size to update has exceeded the maximum allowed size")
        return changed


def read_placeholders(
    request: Mapping[str, Any], *used: Placeholders
) -> tuple[Mapping[str, str], Item]:
    """Return copies of the names and values of a request, of which all must be used.

    Raises:
        RefusedRequestError: one is unused, undefined or not valid.
    """
    given: dict[str, Mapping[str, Any]] = {}
    for parameter in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        present = request.get(parameter)
        if present is not None and not present:
            raise RefusedRequestError(f"{parameter} must not be empty")
        if present is not None and not used:
            raise RefusedRequestError(f"{parameter} can only be specified when using expressions")
        given[parameter] = present or {}
    names = dict(given["ExpressionAttributeNames"])
    values = checked_item(given["ExpressionAttributeValues"])
    check_placeholders(used, names, values)
    return names, values


def read_write(table: Table, kind: str, request: Mapping[str, Any]) -> Write:
    """Read a write; `kind` is `Put`, `Update`, `Delete` or `ConditionCheck`.

    Raises:
        RefusedRequestError: it is not valid, whatever is there.
    """
    item = checked_item(request["Item"]) if kind == "Put" else None
    key = table.key_in(item) if item is not None else table.key_of(request["Key"])
    if item is not None and is_too_large(item):
        raise RefusedRequestError("Item size has exceeded the maximum allowed size")
    condition = _condition(request)
    update = compile_update(request["UpdateExpression"]) if "UpdateExpression" in request else None
    used = [part.used for part in (condition, update) if part is not None]
    names, values = read_placeholders(request, *used)
    if update is not None:
        _refuse_key_changes(table, update, names)
    answer = request.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if answer not in _FAILURE_ANSWERS:
        raise RefusedRequestError(f"ReturnValuesOnConditionCheckFailure {answer} is not valid")
    return Write(table, key, kind, item, update, condition, names, values, answer == "ALL_OLD")


def _condition(request: Mapping[str, Any]) -> Condition | None:
    text = request.get("ConditionExpression")
    return None if text is None else compile_condition(text)


def _refuse_key_changes(table: Table, update: Update, names: Mapping[str, str]) -> None:
    changed = update.changed_attributes(names)
    for name in table.key_names:
        if name in changed:
            raise RefusedRequestError(
                "One or more parameter values were invalid: Cannot update attribute"
                f" {name}. This attribute is part of the key"
            )
