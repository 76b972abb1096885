"""The http_json source.

Where the source says how many records it has and its pages are counted, all pages are planned at
once from a probe of the first; else each page names the next. The pages of a moving collection
shift: a record that is deleted pulls those behind it forward, and the one at a page's edge may slip
into a page that was read already. A source that gives cursors avoids that; with other sources the
next full run reads the record.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from shared.errors import SourceCredentialsError, SourceError
from shared.models.run import EndpointCheckpoint, RunMode
from shared.models.sources import HttpAuth, HttpJsonSource
from shared.platform.observability import logger
from shared.sources.base import CheckpointReader, EndpointPlan, FetchedPage, Plan, PlannedPage
from shared.sources.http_json.answer import Answer
from shared.sources.http_json.pagers import CountedPager, make_pager
from shared.sources.http_json.step import ENDPOINT, Step
from shared.web.client import SourceClient
from shared.web.http_get import HttpResponse
from shared.web.redirects import Credentials, host_path
from shared.web.retry import Timing

# Clocks differ, and a change may show late: asking for a little too much loses nothing.
_OVERLAP = timedelta(minutes=5)
# A token (RFC 9110 section 5.6.2): `Authorization:` with its colon is none.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class HttpJsonApi:
    """Implements `Source` over HTTP; `secret` is the credential that the corpus names."""

    def __init__(
        self, settings: HttpJsonSource, client: SourceClient, secret: str | None, timing: Timing
    ) -> None:
        self._settings = settings
        self._client = client
        self._timing = timing
        self._credentials = _credentials(settings.auth, secret)
        secrets = () if secret is None else (secret, *self._credentials.secrets)
        self._pager = make_pager(settings, secrets)

    def plan(self, mode: RunMode, checkpoints: CheckpointReader) -> Plan:
        """Plan all pages where they can be counted, else the first of a chain."""
        # Taken before anything is read: what changes from now on belongs to the next run.
        started = self._timing.now()
        since = None
        if mode == "incremental" and self._settings.since_parameter is not None:
            since = checkpoints(ENDPOINT).last_modified
        first = self._pager.first(since)
        records = None
        steps = [first]
        if isinstance(self._pager, CountedPager) and self._settings.total is not None:
            answer = Answer(self._get(first, None), self._settings.items)
            records = max(answer.total(self._settings.total), len(answer.lines))
            steps = self._count_out(self._pager, first, answer, records)
        pages = tuple(self._planned(step) for step in steps)
        return Plan((EndpointPlan(ENDPOINT, pages, _checkpoint(started), records=records),))

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        """Fetch one page; a page behind the end is empty."""
        if endpoint != ENDPOINT:
            raise SourceError(f"an http_json corpus has no endpoint {endpoint!r}")
        step = Step.read(query)
        # An unchanged page of a chain would not say which follows, and one since a moment is never
        # asked for twice.
        may_be_unchanged = not step.goes_on and step.since is None
        response = self._get(step, etag if may_be_unchanged else None)
        if response.status == HTTPStatus.NOT_MODIFIED:
            return FetchedPage(etag=etag, is_not_modified=True)
        answer = Answer(response, self._settings.items)
        return FetchedPage(
            answer.lines,
            answer.etag if may_be_unchanged else None,
            next_pages=self._next_pages(step, answer),
        )

    def _get(self, step: Step, etag: str | None) -> HttpResponse:
        """Ask for a page; with `etag`, the answer may be that it still is what that names."""
        headers = {"Accept": "application/json", **self._settings.headers}
        accepted = set(step.accepted)
        if etag is not None:
            headers["If-None-Match"] = etag
            accepted.add(HTTPStatus.NOT_MODIFIED)
        return self._client.get(
            self._pager.address(step), headers, accepted=accepted, credentials=self._credentials
        )

    def _next_pages(self, step: Step, answer: Answer) -> tuple[PlannedPage, ...]:
        following = self._pager.following(step, answer) if step.goes_on else None
        return () if following is None else (self._planned(following),)

    def _count_out(
        self, pager: CountedPager, first: Step, answer: Answer, records: int
    ) -> list[Step]:
        """Return all pages of so many records; the last goes on if it comes back full."""
        given = len(answer.lines)
        if records > 0 and given == 0:
            raise SourceError(
                f"{host_path(answer.url)} says that it has {records} records, and its first page "
                "holds none; check `items`"
            )
        size = pager.paging.page_size
        if given < min(size, records):
            logger.warning(
                "the source gives less than a page at a time",
                extra={"asked_for": size, "given": given},
            )
            size = given
        return pager.steps(records, size, first.since)

    def _planned(self, step: Step) -> PlannedPage:
        return PlannedPage(ENDPOINT, self._pager.page_id(step), step.query)


def _checkpoint(started: datetime) -> EndpointCheckpoint:
    watermark = (started - _OVERLAP).astimezone(UTC)
    return EndpointCheckpoint(last_modified=f"{watermark:%Y-%m-%dT%H:%M:%SZ}")


def _credentials(auth: HttpAuth | None, secret: str | None) -> Credentials:
    """Return what each request carries.

    Raises:
        SourceCredentialsError: the secret cannot be sent, or not in a header of that name.
    """
    if auth is None or secret is None:
        return Credentials()
    value = auth.prefix + secret
    if not (value.isascii() and value.isprintable()):
        raise SourceCredentialsError(
            f"the field {auth.secret_field!r} of the secret {auth.secret_name} has characters that "
            "no request can carry; write it again"
        )
    if auth.place == "header":
        if not _HEADER_NAME.fullmatch(auth.name):
            raise SourceCredentialsError(
                f"no header can be named {auth.name!r}, as `auth.name` of the corpus says; "
                "correct it"
            )
        return Credentials(headers={auth.name: value})
    return Credentials(query={auth.name: value})
