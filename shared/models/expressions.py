"""JMESPath expressions (jmespath.org), checked when they are written down and safe to evaluate."""

import json
from functools import cache
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, StringConstraints

_LONGEST_EXPRESSION = 1000
_TAKE_EXPRESSIONS = frozenset({"map", "max_by", "min_by", "sort_by"})
# What the library lets through when a value is of a kind that it did not think of.
_LEAKS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_Node = dict[str, Any]


def evaluate(expression: str, document: Any) -> Any:
    """Return what an expression gives for a JSON document, None where there is nothing.

    Raises:
        ValueError: it does not fit the document; says why.
    """
    try:
        return _compiled(expression).search(document)
    except _LEAKS as error:
        raise ValueError(_first_line(error)) from None


def _checked(expression: str) -> str:
    """Refuse what would fail for every document, so that it fails before any run."""
    try:
        tree: Any = _compiled(expression).parsed
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except JMESPathError as error:
        raise ValueError(f"is no JMESPath expression: {_first_line(error)}") from None
    _check(tree, may_be_reference=False)
    return expression


Expression = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_EXPRESSION),
    AfterValidator(_checked),
]
"""A JMESPath expression over one record, or over one answer."""


@cache
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def _check(node: _Node, *, may_be_reference: bool) -> None:
    takes_expressions = False
    match node["type"]:
        case "function_expression":
            _check_function(node)
            takes_expressions = node["value"] in _TAKE_EXPRESSIONS
        case "slice" if node["children"][2] == 0:
            raise ValueError("has a slice whose step is zero")
        case "literal" if not _is_json(node["value"]):
            raise ValueError("has a literal that is no JSON")
        case "expref" if not may_be_reference:
            raise ValueError("has a & outside of map, max_by, min_by and sort_by")
    for child in node["children"]:
        if isinstance(child, dict):  # the bounds of a slice are numbers
            _check(child, may_be_reference=takes_expressions)


def _check_function(node: _Node) -> None:
    name, given = node["value"], len(node["children"])
    function = Functions.FUNCTION_TABLE.get(name)
    if function is None:
        known = ", ".join(sorted(Functions.FUNCTION_TABLE))
        raise ValueError(f"has an unknown function {name[:50]}(); there are {known}")
    parameters = function["signature"]
    is_variadic = bool(parameters) and parameters[-1].get("variadic", False)
    if given < len(parameters) or (given > len(parameters) and not is_variadic):
        raise ValueError(f"has {name}() with {given} arguments; it takes {len(parameters)}")


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
