"""The gateway itself: requests in, responses out, no socket."""

import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from examples.marvel.catalog.catalog import Catalog
from examples.marvel.credentials import KeyPair, check_credentials
from examples.marvel.faults import Fault, FaultScript, fault_refusal
from examples.marvel.limits import Clock, RateLimiter, RateLimits
from examples.marvel.messages import (
    Request,
    Response,
    encode_response,
    etag_matches,
    json_response,
    refusal_response,
)
from examples.marvel.query import (
    ListQuery,
    check_item_query,
    parse_list_query,
    select_page,
)
from examples.marvel.refusals import (
    RequestRefusedError,
    method_not_allowed,
    throttled,
    unknown_entity,
    unknown_path,
)
from examples.marvel.wire import (
    API_PATH,
    EntityType,
    WireEntity,
    as_entity_type,
    parse_whole_number,
)

_LOGGED_REQUESTS: Final = 10_000


@dataclass(frozen=True)
class Attribution:
    """The notices every successful response carries."""

    copyright: str
    text: str
    html: str


DEMO_ATTRIBUTION: Final = Attribution(
    copyright="Characters and titles © MARVEL; texts © the Ultron Embeddings authors",
    text="Demonstration data of Ultron Embeddings, not provided by Marvel. Characters © MARVEL",
    html='<a href="http://marvel.com">Characters © MARVEL</a>; demonstration texts by '
    "Ultron Embeddings, not provided by Marvel",
)
MARVEL_ATTRIBUTION: Final = Attribution(
    copyright="© MARVEL",
    text="Data provided by Marvel. © MARVEL",
    html='<a href="http://marvel.com">Data provided by Marvel. © MARVEL</a>',
)


@dataclass(frozen=True)
class GatewayOptions:
    """How a gateway behaves from the start, and again after a reset."""

    keys: KeyPair = field(default_factory=KeyPair)
    limits: RateLimits = field(default_factory=RateLimits)
    faults: tuple[Fault, ...] = ()
    attribution: Attribution = DEMO_ATTRIBUTION


class Gateway:
    """Answers requests from a catalog. Thread-safe: one request at a time."""

    def __init__(
        self, catalog: Catalog, options: GatewayOptions | None = None, clock: Clock = time.time
    ) -> None:
        self.clock = clock
        self._options = options or GatewayOptions()
        self._original = catalog
        self._lock = threading.RLock()
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOGGED_REQUESTS)
        self.reset()

    def reset(self) -> None:
        """Back to the state at the start: entities, limits, faults, an empty log."""
        with self._lock:
            self._catalog = self._original.copy()
            self._limiter = RateLimiter(self._options.limits, self.clock)
            self._faults = FaultScript(self._options.faults)
            self._log.clear()

    def set_limits(self, limits: RateLimits) -> None:
        """Other limits from now on; what was counted so far is forgotten."""
        with self._lock:
            self._limiter = RateLimiter(limits, self.clock)

    def add_faults(self, faults: Iterable[Fault]) -> list[Fault]:
        """Script more faults; returns all that are pending."""
        with self._lock:
            self._faults.add(faults)
            return self._faults.pending()

    def requests(self) -> list[dict[str, Any]]:
        """The latest 10,000 API requests, oldest first, without keys and hashes."""
        with self._lock:
            return list(self._log)

    def get_entity(self, entity_type: EntityType, entity_id: int) -> WireEntity | None:
        """An entity as it is now, or None."""
        with self._lock:
            return self._catalog.get(entity_type, entity_id)

    def put_entity(self, entity_type: EntityType, entity: WireEntity) -> None:
        """Add or replace an entity until the next reset."""
        with self._lock:
            self._catalog.put(entity_type, entity)

    def remove_entity(self, entity_type: EntityType, entity_id: int) -> bool:
        """Take an entity away until the next reset; False when there was none."""
        with self._lock:
            return self._catalog.remove(entity_type, entity_id)

    def handle(self, request: Request) -> Response:
        """Answer an API request; never raises for anything a client can send."""
        with self._lock:
            response = self._answer(request)
            self._log.append(_log_entry(request, response))
        return encode_response(response, request.headers.get("accept-encoding", ""))

    def _answer(self, request: Request) -> Response:
        try:
            fault = self._faults.take(request.target)
            if fault is not None:
                return _fault_response(fault)
            return self._answer_truly(request)
        except RequestRefusedError as refusal:
            return refusal_response(refusal)

    def _answer_truly(self, request: Request) -> Response:
        if request.method != "GET":
            raise method_not_allowed(request.method)
        if not request.path.startswith(f"{API_PATH}/"):
            raise unknown_path(request.path)
        check_credentials(request.parameters, self._options.keys)
        wait_seconds = self._limiter.admit()
        if wait_seconds is not None:
            raise throttled(wait_seconds)
        data = self._data(request)
        etag = content_etag(data)
        if etag_matches(request.headers.get("if-none-match", ""), etag):
            return Response(HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
        return json_response(self._wrap(data, etag), headers={"ETag": etag})

    def _data(self, request: Request) -> WireEntity:
        """The `data` container for `/<type>`, `/<type>/<id>` or `/<type>/<id>/<other type>`."""
        names = request.path.removeprefix(f"{API_PATH}/").split("/")
        entity_type = as_entity_type(names[0])
        if entity_type is None:
            raise unknown_path(request.path)
        match names[1:]:
            case []:
                query = parse_list_query(entity_type, request.parameters)
                return select_page(entity_type, self._catalog.all(entity_type), query)
            case [entity_id]:
                entity = self._entity(entity_type, entity_id)
                check_item_query(request.parameters)
                return select_page(entity_type, [entity], ListQuery())
            case [entity_id, name] if other_type := as_entity_type(name):
                entity = self._entity(entity_type, entity_id)
                if "items" not in (entity.get(other_type) or {}):
                    raise unknown_path(request.path)
                query = parse_list_query(other_type, request.parameters)
                related = self._catalog.related(entity_type, entity, other_type)
                return select_page(other_type, related, query)
        raise unknown_path(request.path)

    def _entity(self, entity_type: EntityType, entity_id: str) -> WireEntity:
        number = parse_whole_number(entity_id)
        entity = None if number is None else self._catalog.get(entity_type, number)
        if entity is None:
            raise unknown_entity(entity_type)
        return entity

    def _wrap(self, data: WireEntity, etag: str) -> dict[str, Any]:
        notice = self._options.attribution
        return {
            "code": int(HTTPStatus.OK),
            "status": "Ok",
            "copyright": notice.copyright,
            "attributionText": notice.text,
            "attributionHTML": notice.html,
            "etag": etag,
            "data": data,
        }


def content_etag(data: WireEntity) -> str:
    """40 hex characters that change exactly when the container does."""
    content = json.dumps(data, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _fault_response(fault: Fault) -> Response:
    if fault.status is None:
        return Response(0, disconnect=True)
    answer = refusal_response(fault_refusal(fault.status, fault.retry_after_seconds))
    if fault.body is None:
        return answer
    headers = {**answer.headers, "Content-Type": "text/html; charset=utf-8"}
    return Response(fault.status, fault.body.encode(), headers)


def _log_entry(request: Request, response: Response) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "query": request.shown_parameters,
        "status": response.status,
        "etag": response.headers.get("ETag"),
        "if_none_match": request.headers.get("if-none-match"),
        "accept_encoding": request.headers.get("accept-encoding"),
        "user_agent": request.headers.get("user-agent"),
    }
