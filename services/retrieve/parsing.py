"""From a query string or a direct invocation to a checked request."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.parser import ValidationError, parse

from services.retrieve.contracts import RetrieveFilters, RetrieveRequest
from shared.errors import InvalidInputError
from shared.http_api import input_error
from shared.models.base import Contract

_FILTER_PREFIX = "filter."
_PARAMETERS = tuple(name for name in RetrieveRequest.model_fields if name != "filters")
_FILTERS = tuple(RetrieveFilters.model_fields)
# The one parameter that may be given several times: one of the types it names.
_REPEATABLE = f"{_FILTER_PREFIX}entity"
_SHOWN_CHARACTERS = 50

ContractT = TypeVar("ContractT", bound=Contract)


def parse_query_string(parameters: Mapping[str, Sequence[str]]) -> RetrieveRequest:
    """Read decoded query parameters, each with all of its values.

    Raises:
        InvalidInputError: a parameter is unknown, repeated, missing or out of its bounds.
        TextTooLongError: a text is over its length.
    """
    allowed = [*_PARAMETERS, *(_FILTER_PREFIX + name for name in _FILTERS)]
    values: dict[str, Any] = {}
    filters: dict[str, Any] = {}
    for name, given in parameters.items():
        if name not in allowed:
            shown = name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…"
            raise InvalidInputError(f"{shown}: unknown parameter; allowed are {', '.join(allowed)}")
        if len(given) != 1 and name != _REPEATABLE:
            raise InvalidInputError(f"{name}: is given {len(given)} times; give it once")
        if name.startswith(_FILTER_PREFIX):
            filters[name.removeprefix(_FILTER_PREFIX)] = ",".join(given)
        else:
            values[name] = given[0]
    return _checked_request(values, filters, _FILTER_PREFIX)


def parse_payload(payload: Any) -> RetrieveRequest:
    """Read `{q, k, mode, corpus, filters, threshold}`; a member that is null counts as absent.

    Raises:
        InvalidInputError: it is no such object, or a member is out of its bounds.
        TextTooLongError: a text is over its length.
    """
    values = _members(payload, "retrieve")
    filters = _members(values.pop("filters", {}), "filters")
    return _checked_request(values, filters, "filters.")


def _members(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{name}: must be a JSON object")
    return {key: member for key, member in value.items() if member is not None}


def _checked_request(
    values: Mapping[str, Any], filters: Mapping[str, Any], prefix: str
) -> RetrieveRequest:
    checked = _validated(RetrieveFilters, filters, prefix, _FILTERS)
    return _validated(RetrieveRequest, {**values, "filters": checked}, "", _PARAMETERS)


def _validated(
    contract: type[ContractT], values: Mapping[str, Any], prefix: str, allowed: Sequence[str]
) -> ContractT:
    try:
        return parse(event=dict(values), model=contract)
    except ValidationError as error:
        raise input_error(error, prefix=prefix, allowed=allowed) from None
