"""Condition expressions as Python functions."""

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.simulation.aws.expression_syntax import (
    Names,
    Operand,
    Read,
    Tokens,
    path_operand,
    value_operand,
)
from tests.simulation.aws.typed_values import (
    SETS,
    Item,
    RefusedRequestError,
    Value,
    kind_of,
    order_key,
)

Test = Callable[[Item, Names, Item], bool]
"""Whether an item meets a condition, with the names and the values of a request."""

Check = Callable[[Item], None]
"""Refuses the values of a request that have a wrong type, whatever the item is."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED = frozenset({"S", "N", "B"})
_MOST_IN_OPERANDS = 100


class ConditionParser:
    """Reads a condition; `checks` are those of the values that it uses."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.checks: list[Check] = []

    def parse(self) -> Test:
        """Return the condition that all words make."""
        test = self._any()
        self._tokens.expect_end()
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._tokens.takes("OR"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else partial(_holds_any, tuple(tests))

    def _all(self) -> Test:
        tests = [self._not()]
        while self._tokens.takes("AND"):
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else partial(_holds_all, tuple(tests))

    def _not(self) -> Test:
        if not self._tokens.takes("NOT"):
            return self._single()
        test = self._not()
        return lambda item, names, values: not test(item, names, values)

    def _single(self) -> Test:
        if self._tokens.takes("("):
            test = self._any()
            self._tokens.expect(")")
            return test
        if self._tokens.peek(1) == "(" and self._tokens.peek() != "size":
            return self._function()
        return self._comparison()

    def _function(self) -> Test:
        name = self._tokens.take()
        self._tokens.expect("(")
        if name not in ("attribute_exists", "attribute_not_exists", "begins_with", "contains"):
            raise NotImplementedError(f"the function {name} in a {self._tokens.title}")
        first = path_operand(self._tokens.take_path()).read
        if name == "attribute_exists":
            test: Test = lambda item, names, values: first(item, names, values) is not None  # noqa: E731
        elif name == "attribute_not_exists":
            test = lambda item, names, values: first(item, names, values) is None  # noqa: E731
        else:
            self._tokens.expect(",")
            second = self._operand()
            if name == "begins_with":
                self._require_kind(second, name, frozenset({"S", "B"}))
            test = partial(_begins_with if name == "begins_with" else _contains, first, second.read)
        self._tokens.expect(")")
        return test

    def _comparison(self) -> Test:
        left = self._operand()
        word = self._tokens.takes("=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN")
        if word is None:
            self._tokens.refuse(self._tokens.peek() or "<EOF>")
        if word == "BETWEEN":
            return self._between(left)
        if word == "IN":
            return self._in(left)
        right = self._operand()
        if left.path is not None and left.path == right.path:
            raise RefusedRequestError(
                f"Invalid {self._tokens.title}: The first operand must be distinct from the"
                f" remaining operands for this operator or function; operator: {word}"
            )
        if word in ("=", "<>"):
            return partial(_equals if word == "=" else _differs, left.read, right.read)
        for operand in (left, right):
            self._require_kind(operand, word, _ORDERED)
        return partial(_is_in_order, _ORDERS[word], left.read, right.read)

    def _between(self, operand: Operand) -> Test:
        low = self._operand()
        self._tokens.expect("AND")
        high = self._operand()
        for bound in (low, high):
            self._require_kind(bound, "BETWEEN", _ORDERED)
        if low.value_name is not None and high.value_name is not None:
            title = self._tokens.title
            self.checks.append(partial(_check_bounds, title, low.value_name, high.value_name))
        return partial(_is_between, operand.read, low.read, high.read)

    def _in(self, operand: Operand) -> Test:
        self._tokens.expect("(")
        listed = [self._operand().read]
        while self._tokens.takes(","):
            listed.append(self._operand().read)
        self._tokens.expect(")")
        if len(listed) > _MOST_IN_OPERANDS:
            raise RefusedRequestError(
                f"Invalid {self._tokens.title}: The IN operator is provided with too many operands;"
                f" number of operands: {len(listed)}"
            )
        return partial(_is_in, operand.read, tuple(listed))

    def _operand(self) -> Operand:
        if self._tokens.peek().startswith(":"):
            return value_operand(self._tokens.take_value_name())
        if self._tokens.peek(1) != "(":
            return path_operand(self._tokens.take_path())
        if self._tokens.peek() != "size":
            raise NotImplementedError(f"the function {self._tokens.peek()} as an operand")
        self._tokens.take()
        self._tokens.expect("(")
        measured = path_operand(self._tokens.take_path()).read
        self._tokens.expect(")")
        return Operand(lambda item, names, values: _size(measured(item, names, values)))

    def _require_kind(self, operand: Operand, word: str, kinds: frozenset[str]) -> None:
        if operand.value_name is not None:
            title = self._tokens.title
            self.checks.append(partial(_check_kind, title, operand.value_name, word, kinds))


def _check_kind(
    title: str, value_name: str, word: str, kinds: frozenset[str], values: Item
) -> None:
    kind = kind_of(values[value_name])
    if kind not in kinds:
        raise RefusedRequestError(
            f"Invalid {title}: Incorrect operand type for operator or function; operator or"
            f" function: {word}, operand type: {kind}"
        )


def _check_bounds(title: str, low_name: str, high_name: str, values: Item) -> None:
    low, high = values[low_name], values[high_name]
    if kind_of(low) != kind_of(high):
        raise RefusedRequestError(
            f"Invalid {title}: The BETWEEN operator requires same data type for lower and upper"
            " bounds"
        )
    if order_key(low) > order_key(high):
        raise RefusedRequestError(
            f"Invalid {title}: The BETWEEN operator requires upper bound to be greater than or"
            " equal to lower bound"
        )


def _holds_any(tests: Sequence[Test], item: Item, names: Names, values: Item) -> bool:
    for test in tests:  # noqa: SIM110 - quicker than any() with a generator
        if test(item, names, values):
            return True
    return False


def _holds_all(tests: Sequence[Test], item: Item, names: Names, values: Item) -> bool:
    for test in tests:  # noqa: SIM110 - quicker than all() with a generator
        if not test(item, names, values):
            return False
    return True


def _equals(left: Read, right: Read, item: Item, names: Names, values: Item) -> bool:
    found = left(item, names, values)
    return found is not None and found == right(item, names, values)


def _differs(left: Read, right: Read, item: Item, names: Names, values: Item) -> bool:
    # A missing attribute differs from every value: so DynamoDB decides, unlike SQL.
    return not _equals(left, right, item, names, values)


def _is_in_order(
    order: Callable[[Any, Any], bool],
    left: Read,
    right: Read,
    item: Item,
    names: Names,
    values: Item,
) -> bool:
    return _compare(order, left(item, names, values), right(item, names, values))


def _compare(order: Callable[[Any, Any], bool], left: Value | None, right: Value | None) -> bool:
    """Whether two values of one type are in this order; values of two types never are."""
    if left is None or right is None or kind_of(left) != kind_of(right):
        return False
    first = order_key(left)
    return first is not None and order(first, order_key(right))


def _is_between(
    operand: Read, low: Read, high: Read, item: Item, names: Names, values: Item
) -> bool:
    found = operand(item, names, values)
    return _compare(operator.ge, found, low(item, names, values)) and _compare(
        operator.le, found, high(item, names, values)
    )


def _is_in(operand: Read, listed: Sequence[Read], item: Item, names: Names, values: Item) -> bool:
    found = operand(item, names, values)
    return found is not None and any(found == read(item, names, values) for read in listed)


def _begins_with(first: Read, second: Read, item: Item, names: Names, values: Item) -> bool:
    found, beginning = first(item, names, values), second(item, names, values)
    if found is None or beginning is None or kind_of(found) != kind_of(beginning):
        return False
    ((kind, content),) = found.items()
    return kind in ("S", "B") and bool(content.startswith(beginning[kind]))


def _contains(first: Read, second: Read, item: Item, names: Names, values: Item) -> bool:
    found, wanted = first(item, names, values), second(item, names, values)
    if found is None or wanted is None:
        return False
    ((kind, content),) = found.items()
    if kind == "L":
        return wanted in content
    ((wanted_kind, wanted_content),) = wanted.items()
    is_member = kind in SETS and kind[0] == wanted_kind
    is_part = kind in ("S", "B") and kind == wanted_kind
    return (is_member or is_part) and wanted_content in content


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    ((kind, content),) = value.items()
    # Numbers, flags and nulls have no size: what compares it is false.
    return None if kind in ("N", "BOOL", "NULL") else {"N": str(len(content))}
