"""From a query string or a direct invocation to a checked request."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.parser import ValidationError, parse

from services.retrieve.field_filters import (
    BOUNDS,
    FieldCondition,
    is_field,
    read_condition,
    require_few,
    split_parameter,
)
from services.retrieve.request import RecallRequest, RetrieveFilters, RetrieveRequest
from shared.errors import InvalidInputError
from shared.index.search.group_messages import GroupRequest, group_request
from shared.models.base import Contract
from shared.platform.http_api import input_error

_FILTER_PREFIX = "filter."
_PARAMETERS = tuple(name for name in RetrieveRequest.model_fields if name != "filters")
_FILTERS = tuple(name for name in RetrieveFilters.model_fields if name != "fields")
_FIELD_FILTERS = ("<field>", *(f"<field>.{bound}" for bound in BOUNDS))
_ALLOWED = (*_PARAMETERS, *(_FILTER_PREFIX + name for name in (*_FILTERS, *_FIELD_FILTERS)))
# The one fixed parameter that may be given several times: one of the types it names.
_REPEATABLE = f"{_FILTER_PREFIX}entity"
_SHOWN_CHARACTERS = 50

ContractT = TypeVar("ContractT", bound=Contract)


def parse_query_string(parameters: Mapping[str, Sequence[str]]) -> RetrieveRequest:
    """Read decoded query parameters, each with all of its values.

    Raises:
        InvalidInputError: a parameter is unknown, repeated, missing or out of its bounds.
        TextTooLongError: a text is over its length.
    """
    values: dict[str, Any] = {}
    filters: dict[str, Any] = {}
    for name, given in parameters.items():
        filter_name = name.removeprefix(_FILTER_PREFIX)
        field = split_parameter(filter_name) if name.startswith(_FILTER_PREFIX) else None
        if filter_name in _FILTERS and filter_name != name:
            _require_one(name, given)
            filters[filter_name] = ",".join(given)
        elif field is not None and field[0] not in _FILTERS:
            _add_condition(filters, field, name, given)
        elif name in _PARAMETERS:
            _require_one(name, given)
            values[name] = given[0]
        else:
            raise _unknown(name)
    return _checked_request(values, filters, _FILTER_PREFIX)


def _require_one(name: str, given: Sequence[str]) -> None:
    if len(given) != 1 and name != _REPEATABLE:
        raise InvalidInputError(f"{name}: is given {len(given)} times; give it once")


def _add_condition(
    filters: dict[str, Any], field: tuple[str, str | None], name: str, given: Sequence[str]
) -> None:
    """Collect `<field>` as a list of values, `<field>.min` and `.max` as the bounds of a range."""
    field_name, bound = field
    if bound is not None:
        _require_one(name, given)
    present = filters.setdefault(field_name, [] if bound is None else {})
    if isinstance(present, list) != (bound is None):
        raise InvalidInputError(f"{_FILTER_PREFIX}{field_name}: give either values or a range")
    if bound is None:
        present.extend(part for value in given for part in value.split(","))
    else:
        present[bound] = given[0]


def _unknown(name: str) -> InvalidInputError:
    shown = name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…"
    return InvalidInputError(f"{shown}: unknown parameter; allowed are {', '.join(_ALLOWED)}")


def parse_payload(payload: Any) -> RetrieveRequest:
    """Read the members of `RetrieveRequest`; one that is null counts as absent.

    In `filters`, the value of a metadata field is a value, a list of them, or `{"min", "max"}`.

    Raises:
        InvalidInputError: it is no such object, or a member is out of its bounds.
        TextTooLongError: a text is over its length.
    """
    values = _members(payload, "retrieve")
    filters = _members(values.pop("filters", {}), "filters")
    return _checked_request(values, filters, "filters.")


def parse_recall(payload: Any) -> RecallRequest:
    """Read `{corpus, samples, k, seed}`; a member that is null counts as absent.

    Raises:
        InvalidInputError: it is no such object, or a member is out of its bounds.
    """
    return _validated(
        RecallRequest, _members(payload, "recall"), "", tuple(RecallRequest.model_fields)
    )


def parse_group(payload: Any) -> GroupRequest:
    """Read what another invocation of this function asks.

    Raises:
        InvalidInputError: it is no such request.
    """
    try:
        return group_request.validate_python(payload)
    except ValidationError as error:
        raise input_error(error, prefix="group.") from None


def _members(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{name}: must be a JSON object")
    return {key: member for key, member in value.items() if member is not None}


def _checked_request(
    values: Mapping[str, Any], filters: Mapping[str, Any], prefix: str
) -> RetrieveRequest:
    fixed = {name: value for name, value in filters.items() if name in _FILTERS}
    named = {name: value for name, value in filters.items() if name not in _FILTERS}
    require_few(named, prefix)
    conditions: dict[str, FieldCondition] = {}
    for name, value in named.items():
        if not is_field(name):
            raise _unknown(f"{prefix}{name}")
        conditions[name] = read_condition(value, f"{prefix}{name}")
    checked = _validated(RetrieveFilters, {**fixed, "fields": conditions}, prefix, _FILTERS)
    return _validated(RetrieveRequest, {**values, "filters": checked}, "", _PARAMETERS)


def _validated(
    contract: type[ContractT], values: Mapping[str, Any], prefix: str, allowed: Sequence[str]
) -> ContractT:
    try:
        return parse(event=dict(values), model=contract)
    except ValidationError as error:
        raise input_error(error, prefix=prefix, allowed=allowed) from None
