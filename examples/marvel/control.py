"""The control endpoint under `/_control`: scripts faults and changes, tells what was asked.

GET requests, GET/POST faults, PUT limits, PUT entities, DELETE entities/<type>/<id>, POST reset.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from examples.marvel.faults import Fault
from examples.marvel.gateway import Gateway
from examples.marvel.limits import RateLimits
from examples.marvel.messages import Request, Response, json_response, refusal_response
from examples.marvel.refusals import RequestRefusedError, status_refusal, unknown_entity
from examples.marvel.wire import (
    NULL_DATE,
    EntityType,
    WireEntity,
    as_entity_type,
    parse_date,
    parse_whole_number,
    wire_date,
)

CONTROL_PATH: Final = "/_control"

_T = TypeVar("_T")


class EntityChange(BaseModel):
    """What of an entity becomes different; `modified` becomes now unless it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: EntityType
    id: int
    description: str | None = None
    modified: str | None = None

    @field_validator("modified")
    @classmethod
    def _is_wire_date(cls, text: str | None) -> str | None:
        if text is not None and text != NULL_DATE and parse_date(text) is None:
            raise ValueError("is no date; write it as 2024-03-01T09:30:00-0500")
        return text


_FAULTS: Final[TypeAdapter[tuple[Fault, ...]]] = TypeAdapter(tuple[Fault, ...])
_CHANGES: Final = TypeAdapter(tuple[EntityChange, ...])


class Control:
    """Routes of the control endpoint; only callers on loopback are heard."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._routes: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/requests"): lambda _: {"requests": gateway.requests()},
            ("GET", "/faults"): lambda _: _shown(gateway.add_faults(())),
            ("POST", "/faults"): self._add_faults,
            ("PUT", "/limits"): self._set_limits,
            ("PUT", "/entities"): self._change_entities,
            ("POST", "/reset"): self._reset,
        }

    def handle(self, request: Request) -> Response:
        """Answer a request whose path begins with `/_control`."""
        try:
            if not request.is_local:
                raise status_refusal(HTTPStatus.FORBIDDEN, "Control is for this machine only.")
            return json_response(self._dispatch(request))
        except RequestRefusedError as refusal:
            return refusal_response(refusal)

    def _dispatch(self, request: Request) -> object:
        path = request.path.removeprefix(CONTROL_PATH)
        if request.method == "DELETE" and path.startswith("/entities/"):
            return self._remove_entity(path.removeprefix("/entities/"))
        route = self._routes.get((request.method, path))
        if route is None:
            raise status_refusal(
                HTTPStatus.NOT_FOUND, f"There is no {request.method} {request.path}."
            )
        return route(request.body)

    def _add_faults(self, body: bytes) -> object:
        faults = _parse(_FAULTS, body)
        return _shown(self._gateway.add_faults(faults))

    def _set_limits(self, body: bytes) -> object:
        limits = _parse(TypeAdapter(RateLimits), body)
        self._gateway.set_limits(limits)
        return limits.model_dump()

    def _reset(self, _: bytes) -> object:
        self._gateway.reset()
        return {"status": "reset"}

    def _change_entities(self, body: bytes) -> object:
        """All changes or none: the first that cannot be made refuses the request."""
        changes = _parse(_CHANGES, body)
        changed = [(change.type, self._changed(change)) for change in changes]
        for entity_type, entity in changed:
            self._gateway.put_entity(entity_type, entity)
        return {"entities": [entity for _, entity in changed]}

    def _changed(self, change: EntityChange) -> WireEntity:
        entity = self._gateway.get_entity(change.type, change.id)
        if entity is None:
            raise unknown_entity(change.type)
        now = wire_date(datetime.fromtimestamp(self._gateway.clock(), UTC))
        changed: dict[str, Any] = {**entity, "modified": change.modified or now}
        if "description" in change.model_fields_set:
            if "description" not in entity:
                raise status_refusal(
                    HTTPStatus.BAD_REQUEST, f"{change.type} have no description to change."
                )
            changed["description"] = change.description
        return changed

    def _remove_entity(self, name: str) -> object:
        type_name, _, entity_id = name.partition("/")
        entity_type, number = as_entity_type(type_name), parse_whole_number(entity_id)
        if entity_type is None or number is None:
            raise status_refusal(HTTPStatus.NOT_FOUND, f"There is no entity {name}.")
        if not self._gateway.remove_entity(entity_type, number):
            raise unknown_entity(entity_type)
        return {"status": "removed"}


def _shown(faults: list[Fault]) -> dict[str, object]:
    return {"faults": [fault.model_dump() for fault in faults]}


def _parse(form: TypeAdapter[_T], body: bytes) -> _T:
    try:
        return form.validate_python(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise status_refusal(HTTPStatus.BAD_REQUEST, f"{place}: {first['msg']}") from error
    except ValueError as error:
        raise status_refusal(HTTPStatus.BAD_REQUEST, f"body: {error}") from error
