"""The Marvel source: plans pages from a probe of each endpoint, fetches them signed.

Pages are cut by offset in the order of `modified`. An entity that changes while a run reads moves
to the end, so the one behind a page's edge can slip into a page that was read already; a full run
meets it again. The API has no cursor that would avoid this; the totals of the plan tell that it
happened, and then nothing is taken for deleted.
"""

import itertools
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from shared.canonical.dates import normalise_date
from shared.errors import SourceCredentialsError, SourceError
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import MarvelSource
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.marvel.wrapper import ErrorBody, ResultPage, parse_error, parse_page
from shared.web.client import SourceClient
from shared.web.http_get import HttpClient, HttpResponse
from shared.web.redaction import redact
from shared.web.retry import Timing

_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT})
_PROBE = {"orderBy": "-modified", "limit": "1", "offset": "0"}
_LONGEST_ETAG = 200


class MarvelApi:
    """Implements `Source` over HTTP."""

    def __init__(
        self,
        settings: MarvelSource,
        keys: MarvelKeys,
        client: SourceClient,
        http: HttpClient,
        timing: Timing,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._client = client
        self._http = http
        self._timing = timing
        # Two calls within one tick must not share a timestamp: the API may take it for a replay.
        self._call_numbers = itertools.count()

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Probe every endpoint and cut what has changed, or everything, into pages."""
        return Plan(
            tuple(
                self._plan_endpoint(endpoint, mode, checkpoints(endpoint))
                for endpoint in self._settings.endpoints
            )
        )

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        """Fetch one page; a 404 is an empty page."""
        response = self._get(endpoint, query, etag)
        if response.status == HTTPStatus.NOT_MODIFIED:
            return FetchedPage(etag=etag, is_not_modified=True)
        if response.status == HTTPStatus.NOT_FOUND:
            return FetchedPage()
        page = parse_page(response.body)
        return FetchedPage(page.lines, _etag(response, page), page.attribution)

    def _plan_endpoint(
        self, endpoint: str, mode: RunMode, checkpoint: EndpointCheckpoint
    ) -> EndpointPlan:
        since = checkpoint.last_modified if mode == "incremental" else None
        known_etag = checkpoint.etag if mode == "incremental" else None
        response = self._get(endpoint, _PROBE, known_etag)
        if response.status == HTTPStatus.NOT_MODIFIED:
            return EndpointPlan(endpoint, (), checkpoint, is_unchanged=True)
        if response.status == HTTPStatus.NOT_FOUND:
            raise SourceError(
                f"the source has no endpoint {endpoint!r}; check base_url and endpoints"
            )
        probe = parse_page(response.body)
        total = probe.total if since is None else self._count_since(endpoint, since)
        return EndpointPlan(
            endpoint,
            tuple(self._cut(endpoint, total, since)),
            EndpointCheckpoint(
                last_modified=_watermark(probe.newest_modified) or checkpoint.last_modified,
                etag=_etag(response, probe),
            ),
            records=total,
        )

    def _count_since(self, endpoint: str, since: str) -> int:
        response = self._get(endpoint, {**_PROBE, "modifiedSince": since}, None)
        if response.status == HTTPStatus.NOT_FOUND:
            return 0
        return parse_page(response.body).total

    def _cut(self, endpoint: str, total: int, since: str | None) -> list[PlannedPage]:
        size = self._settings.page_size
        filters = {} if since is None else {"modifiedSince": since}
        return [
            PlannedPage(
                endpoint,
                f"{endpoint}-{number:05d}",
                {"orderBy": "modified", "limit": str(size), "offset": str(offset), **filters},
            )
            for number, offset in enumerate(range(0, total, size), start=1)
        ]

    def _get(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> HttpResponse:
        """Return an answer with status 200, 304 or 404."""
        headers = {} if etag is None else {"If-None-Match": etag}
        url = f"{self._settings.base_url.rstrip('/')}/v1/public/{endpoint}?{urlencode(query)}"

        def attempt() -> HttpResponse:
            return self._call(url, headers)

        response = self._client.send(attempt)
        if response.status in _REFUSED:
            # A clock that was off or a hash that was taken for a replay: sign again, once.
            response = self._client.send(attempt)
        is_answer = response.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
        if is_answer or (response.status == HTTPStatus.NOT_MODIFIED and etag is not None):
            return response
        raise self._refusal(endpoint, response)

    def _call(self, url: str, headers: Mapping[str, str]) -> HttpResponse:
        timestamp = f"{self._timing.now().timestamp():.6f}-{next(self._call_numbers)}"
        return self._http.get(f"{url}&{self._keys.signed_query(timestamp)}", headers)

    def _refusal(self, endpoint: str, response: HttpResponse) -> SourceError:
        body = parse_error(response.body)
        problem = f"the source answered {response.status} for {endpoint}"
        if 300 <= response.status < 400:
            problem = f"{problem}, and redirects are not followed; check base_url"
        if body is not None:
            said = redact(body.message, (self._keys.public_key, self._keys.private_key))
            problem = f"{problem}: {said}"
        if _is_about_credentials(response.status, body):
            return SourceCredentialsError(f"{problem}; check the keys in the source's secret")
        return SourceError(problem)


def _is_about_credentials(status: int, body: ErrorBody | None) -> bool:
    if status == HTTPStatus.UNAUTHORIZED:
        return True
    return status == HTTPStatus.CONFLICT and (body is None or body.is_about_credentials)


def _etag(response: HttpResponse, page: ResultPage) -> str | None:
    """Return the header's etag, else the body's, if it can be sent back as a header."""
    etag = response.headers.get("etag") or page.etag or ""
    return (
        etag if etag.isascii() and etag.isprintable() and 0 < len(etag) <= _LONGEST_ETAG else None
    )


def _watermark(modified: str | None) -> str | None:
    """Return a date that can be asked for; the API's null date cannot."""
    if modified is None or normalise_date(modified) is None:
        return None
    return modified
