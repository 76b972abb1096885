"""DynamoDB's expressions, compiled to Python functions once for each text.

Supported are all comparisons, BETWEEN, IN, AND, OR, NOT, `attribute_exists`,
`attribute_not_exists`, `begins_with`, `contains` and `size`; SET with `+`, `-`, `if_not_exists`
and `list_append`; REMOVE, ADD and DELETE; and document paths. `NotImplementedError` names another
function. Reserved words are not refused as names: the tests on a local AWS see to those.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from tests.simulation.aws.condition_expressions import Check, ConditionParser, Test
from tests.simulation.aws.expression_syntax import (
    Names,
    Path,
    Tokens,
    read_path,
    resolved,
)
from tests.simulation.aws.typed_values import Item, RefusedRequestError
from tests.simulation.aws.update_expressions import Action, UpdateParser, updated

_COMPARISONS = ("=", "<", "<=", ">", ">=")
_MOST_KEY_TERMS = 2


@dataclass(frozen=True, slots=True)
class Placeholders:
    """The placeholders that an expression uses, and the checks of its values."""

    names: frozenset[str]
    values: frozenset[str]
    checks: tuple[Check, ...] = ()

    @classmethod
    def of(cls, tokens: Tokens, checks: Iterable[Check] = ()) -> "Placeholders":
        """Those that were taken from the words of an expression."""
        return cls(frozenset(tokens.names), frozenset(tokens.values), tuple(checks))


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition; `holds` takes an item, the names and the values of a request."""

    holds: Test
    used: Placeholders


@dataclass(frozen=True, slots=True)
class Update:
    """A compiled update."""

    actions: tuple[Action, ...]
    used: Placeholders

    def changed_attributes(self, names: Names) -> set[str | int]:
        """Return the attributes of the item that the update changes, wholly or in part."""
        return {resolved(path[:1], names)[0] for path, _ in self.actions}

    def apply(self, item: Item, names: Names, values: Item) -> Item:
        """Return what an item becomes; the given one stays as it is.

        Raises:
            RefusedRequestError: the update does not fit the item.
        """
        return updated(self.actions, item, names, values)


@dataclass(frozen=True, slots=True)
class KeyTerm:
    """What a key condition says of one attribute: `values` are placeholders of values."""

    name: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A compiled key condition: one or two terms, all of which must hold."""

    terms: tuple[KeyTerm, ...]
    used: Placeholders


@dataclass(frozen=True, slots=True)
class Projection:
    """A compiled projection."""

    paths: tuple[Path, ...]
    used: Placeholders

    def apply(self, item: Item, names: Names) -> Item:
        """Return those attributes of an item that the projection names.

        Raises:
            NotImplementedError: the projection names a part of an attribute.
        """
        projected: Item = {}
        for path in self.paths:
            if len(path) > 1:
                raise NotImplementedError("a document path in a ProjectionExpression")
            whole = resolved(path, names)
            if (value := read_path(item, whole)) is not None:
                projected[str(whole[0])] = value
        return projected


@cache
def compile_condition(text: str, title: str = "ConditionExpression") -> Condition:
    """Compile a condition or a filter; `title` names its kind in errors.

    Raises:
        RefusedRequestError: it is not valid.
    """
    tokens = Tokens(text, title)
    parser = ConditionParser(tokens)
    test = parser.parse()
    return Condition(test, Placeholders.of(tokens, parser.checks))


@cache
def compile_update(text: str) -> Update:
    """Compile an update.

    Raises:
        RefusedRequestError: it is not valid.
    """
    tokens = Tokens(text, "UpdateExpression")
    parser = UpdateParser(tokens)
    actions = parser.parse()
    return Update(actions, Placeholders.of(tokens, parser.checks))


@cache
def compile_key_condition(text: str) -> KeyCondition:
    """Compile the key condition of a query.

    Raises:
        RefusedRequestError: it is not valid.
    """
    tokens = Tokens(text, "KeyConditionExpression")
    terms = _key_terms(tokens)
    tokens.expect_end()
    if len(terms) > _MOST_KEY_TERMS:
        raise RefusedRequestError("Conditions can be of length 1 or 2 only")
    return KeyCondition(tuple(terms), Placeholders.of(tokens))


@cache
def compile_projection(text: str) -> Projection:
    """Compile a projection.

    Raises:
        RefusedRequestError: it is not valid.
    """
    tokens = Tokens(text, "ProjectionExpression")
    paths = [tokens.take_path()]
    while tokens.takes(","):
        paths.append(tokens.take_path())
    tokens.expect_end()
    return Projection(tuple(paths), Placeholders.of(tokens))


def check_placeholders(used: Iterable[Placeholders], names: Names, values: Item) -> None:
    """Refuse a request that gives a placeholder which no expression uses, or lacks one.

    Raises:
        RefusedRequestError: names it.
    """
    used = tuple(used)
    _check_given("names", names, [name for part in used for name in part.names])
    _check_given("values", values, [value for part in used for value in part.values])
    for part in used:
        for check in part.checks:
            check(values)


def _check_given(kind: str, given: Mapping[str, object], used: list[str]) -> None:
    for name in used:
        if name not in given:
            raise RefusedRequestError(
                f"An expression attribute {kind[:-1]} used in the document path is not defined;"
                f" attribute {kind[:-1]}: {name}"
            )
    if len(given) > len(used) or not given.keys() <= set(used):
        unused = ", ".join(sorted(given.keys() - set(used)))
        raise RefusedRequestError(
            f"Value provided in ExpressionAttribute{kind.capitalize()} unused in expressions:"
            f" keys: {{{unused}}}"
        )


def _key_terms(tokens: Tokens) -> list[KeyTerm]:
    terms = _key_term(tokens)
    while tokens.takes("AND"):
        terms += _key_term(tokens)
    return terms


def _key_term(tokens: Tokens) -> list[KeyTerm]:
    if tokens.takes("("):
        terms = _key_terms(tokens)
        tokens.expect(")")
        return terms
    if tokens.peek() == "begins_with" and tokens.peek(1) == "(":
        tokens.take()
        tokens.expect("(")
        name = _key_name(tokens)
        tokens.expect(",")
        term = KeyTerm(name, "begins_with", (tokens.take_value_name(),))
        tokens.expect(")")
        return [term]
    name = _key_name(tokens)
    if tokens.takes("BETWEEN"):
        low = tokens.take_value_name()
        tokens.expect("AND")
        return [KeyTerm(name, "BETWEEN", (low, tokens.take_value_name()))]
    operator = tokens.takes(*_COMPARISONS)
    if operator is None:
        raise RefusedRequestError("Invalid operator used in KeyConditionExpression")
    return [KeyTerm(name, operator, (tokens.take_value_name(),))]


def _key_name(tokens: Tokens) -> str:
    path = tokens.take_path()
    if len(path) > 1:
        raise RefusedRequestError("KeyConditionExpressions cannot have nested operations")
    return str(path[0])
