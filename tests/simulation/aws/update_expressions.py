"""Update expressions as Python functions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.simulation.aws.condition_expressions import Check
from tests.simulation.aws.expression_syntax import (
    Names,
    Operand,
    Path,
    Read,
    Tokens,
    path_operand,
    read_path,
    resolved,
    value_operand,
)
from tests.simulation.aws.typed_values import (
    SETS,
    Item,
    RefusedRequestError,
    Value,
    added,
    copied_item,
    kind_of,
)

Action = tuple[Path, Read]
"""What is set where; a value of None removes."""

_WRONG_TYPE = "An operand in the update expression has an incorrect data type"
_ADDABLE = SETS | {"N"}


class UpdateParser:
    """Reads an update; `checks` are those of the values that it uses."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.checks: list[Check] = []

    def parse(self) -> tuple[Action, ...]:
        """Return the actions that all words make, in their order."""
        clauses: dict[str, Callable[[], Action]] = {
            "SET": self._set,
            "REMOVE": self._remove,
            "ADD": partial(self._gather, "ADD", _ADDABLE, _sum),
            "DELETE": partial(self._gather, "DELETE", SETS, _difference),
        }
        seen: set[str] = set()
        actions: list[Action] = []
        while self._tokens.peek():
            clause = self._tokens.takes(*clauses)
            if clause is None:
                self._tokens.refuse(self._tokens.peek())
            if clause in seen:
                raise RefusedRequestError(
                    f'Invalid UpdateExpression: The "{clause}" section can only be used once in an'
                    " update expression;"
                )
            seen.add(clause)
            actions.append(clauses[clause]())
            while self._tokens.takes(","):
                actions.append(clauses[clause]())
        return tuple(actions)

    def _set(self) -> Action:
        path = self._tokens.take_path()
        self._tokens.expect("=")
        left = self._operand()
        sign = self._tokens.takes("+", "-")
        if sign is None:
            return path, partial(_required, left.read)
        right = self._operand()
        for operand in (left, right):
            self._require_kind(operand, sign, frozenset({"N"}))
        return path, partial(_arithmetic, left.read, right.read, sign == "-")

    def _remove(self) -> Action:
        return self._tokens.take_path(), lambda _item, _names, _values: None

    def _gather(
        self,
        clause: str,
        kinds: frozenset[str],
        combine: Callable[[Value | None, Value], Value | None],
    ) -> Action:
        path = self._tokens.take_path()
        operand = value_operand(self._tokens.take_value_name())
        self._require_kind(operand, clause, kinds)
        present = path_operand(path).read

        def read(item: Item, names: Names, values: Item) -> Value | None:
            given = operand.read(item, names, values)
            return None if given is None else combine(present(item, names, values), given)

        return path, read

    def _operand(self) -> Operand:
        if self._tokens.takes("("):
            operand = self._operand()
            self._tokens.expect(")")
            return operand
        if self._tokens.peek(1) == "(":
            return self._function()
        if self._tokens.peek().startswith(":"):
            return value_operand(self._tokens.take_value_name())
        return path_operand(self._tokens.take_path())

    def _function(self) -> Operand:
        name = self._tokens.take()
        self._tokens.expect("(")
        if name == "if_not_exists":
            first = path_operand(self._tokens.take_path())
        elif name == "list_append":
            first = self._operand()
        else:
            raise NotImplementedError(f"the function {name} in an UpdateExpression")
        self._tokens.expect(",")
        second = self._operand()
        self._tokens.expect(")")
        if name == "if_not_exists":
            return Operand(partial(_first_present, first.read, second.read))
        for operand in (first, second):
            self._require_kind(operand, name, frozenset({"L"}))
        return Operand(partial(_appended, first.read, second.read))

    def _require_kind(self, operand: Operand, word: str, kinds: frozenset[str]) -> None:
        value_name = operand.value_name
        if value_name is None:
            return

        def check(values: Item) -> None:
            kind = kind_of(values[value_name])
            if kind not in kinds:
                raise RefusedRequestError(
                    "Invalid UpdateExpression: Incorrect operand type for operator or function;"
                    f" operator: {word}, operand type: {kind}"
                )

        self.checks.append(check)


def updated(actions: Sequence[Action], item: Item, names: Names, values: Item) -> Item:
    """Return what an item becomes; the given one stays as it is.

    Every action sees the item as it was before all of them.

    Raises:
        RefusedRequestError: the update does not fit the item.
    """
    paths = [resolved(path, names) for path, _ in actions]
    _refuse_overlaps(paths)
    results = [read(item, names, values) for _, read in actions]
    is_flat = all(len(path) == 1 for path in paths)
    changed = dict(item) if is_flat else copied_item(item)
    removed: list[Path] = []
    for path, result in zip(paths, results, strict=True):
        if result is None:
            removed.append(path)
        else:
            _write(changed, path, result)
    # From the end of a list to its begin: what is removed must not move what is still to be.
    for path in sorted(removed, key=_position, reverse=True):
        _remove(changed, path)
    return changed


def _position(path: Path) -> int:
    return path[-1] if isinstance(path[-1], int) else 0


def _refuse_overlaps(paths: Sequence[Path]) -> None:
    if len(paths) == 1:
        return
    seen = set(paths)
    is_nested = any(path[:length] in seen for path in paths for length in range(1, len(path)))
    if is_nested or len(seen) < len(paths):
        raise RefusedRequestError(
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or"
            " rewrite one of these paths"
        )


def _write(item: Item, path: Path, value: Value) -> None:
    parent, last = _parent(item, path), path[-1]
    if isinstance(last, int):
        # A position behind the end appends.
        parent[last : last + 1] = [value]
    else:
        parent[last] = value


def _remove(item: Item, path: Path) -> None:
    parent, last = _parent(item, path), path[-1]
    if isinstance(last, int):
        del parent[last : last + 1]
    else:
        parent.pop(last, None)


def _parent(item: Item, path: Path) -> Any:
    """Return the map or the list that holds what is at a path."""
    parent = {"M": item} if len(path) == 1 else read_path(item, path[:-1])
    kind = "M" if isinstance(path[-1], str) else "L"
    if parent is None or kind not in parent:
        raise RefusedRequestError(
            "The document path provided in the update expression is invalid for update"
        )
    return parent[kind]


def _required(read: Read, item: Item, names: Names, values: Item) -> Value:
    value = read(item, names, values)
    if value is None:
        raise RefusedRequestError(
            "The provided expression refers to an attribute that does not exist in the item"
        )
    return value


def _arithmetic(
    left: Read, right: Read, is_subtraction: bool, item: Item, names: Names, values: Item
) -> Value:
    first, second = _required(left, item, names, values), _required(right, item, names, values)
    if "N" not in first or "N" not in second:
        raise RefusedRequestError(_WRONG_TYPE)
    return {"N": added(first["N"], second["N"], is_subtraction=is_subtraction)}


def _first_present(
    first: Read, second: Read, item: Item, names: Names, values: Item
) -> Value | None:
    found = first(item, names, values)
    return second(item, names, values) if found is None else found


def _appended(left: Read, right: Read, item: Item, names: Names, values: Item) -> Value:
    first, second = _required(left, item, names, values), _required(right, item, names, values)
    if "L" not in first or "L" not in second:
        raise RefusedRequestError(_WRONG_TYPE)
    return {"L": first["L"] + second["L"]}


def _sum(present: Value | None, given: Value) -> Value:
    kind = kind_of(given)
    if present is None:
        return given
    if kind_of(present) != kind:
        raise RefusedRequestError(_WRONG_TYPE)
    if kind == "N":
        return {"N": added(present["N"], given["N"])}
    return {kind: sorted({*present[kind], *given[kind]})}


def _difference(present: Value | None, given: Value) -> Value | None:
    if present is None:
        return None
    kind = kind_of(given)
    if kind_of(present) != kind:
        raise RefusedRequestError(_WRONG_TYPE)
    left = sorted(set(present[kind]) - set(given[kind]))
    # DynamoDB keeps no empty set.
    return {kind: left} if left else None
