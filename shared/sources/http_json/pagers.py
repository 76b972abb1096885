"""The ways of paging: where a page is, what it is called, and which one follows."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from hashlib import sha256
from urllib.parse import urldefrag, urlencode

from shared.errors import SourceError
from shared.models.sources import (
    CursorPaging,
    HttpJsonSource,
    LinkPaging,
    NextUrlPaging,
    NumberPaging,
    OffsetPaging,
    SinglePage,
)
from shared.sources.http_json.answer import Answer
from shared.sources.http_json.links import comparable, next_address, next_link
from shared.sources.http_json.step import ENDPOINT, EndStatus, Step
from shared.web.redirects import host_path

# More are chained behind the last of them, so that planning ends within its function's time.
_MOST_PLANNED_PAGES = 10_000


class Pager(ABC):
    """One way of paging."""

    def __init__(self, settings: HttpJsonSource) -> None:
        self._settings = settings

    @abstractmethod
    def first(self, since: str | None) -> Step:
        """Return the first step, which goes on by itself."""

    @abstractmethod
    def address(self, step: Step) -> str:
        """Return the address of a page, without credentials."""

    @abstractmethod
    def page_id(self, step: Step) -> str:
        """Return the id of a page; it follows from where the page is."""

    @abstractmethod
    def following(self, step: Step, answer: Answer) -> Step | None:
        """Return the step behind one that goes on; None behind the last.

        Raises:
            SourceError: the answer does not say where that is, or leads in circles.
        """

    def _address(self, since: str | None, parameters: Mapping[str, str]) -> str:
        settings = self._settings
        changed = {}
        if since is not None and settings.since_parameter is not None:
            changed = {settings.since_parameter: since}
        query = urlencode({**settings.query, **changed, **parameters})
        url = urldefrag(settings.url).url
        return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


class CountedPager(Pager):
    """By offset or by number: the position of every page is known from the start."""

    def __init__(self, settings: HttpJsonSource, paging: OffsetPaging | NumberPaging) -> None:
        super().__init__(settings)
        self.paging = paging

    @property
    def _first_place(self) -> int:
        return 0 if isinstance(self.paging, OffsetPaging) else self.paging.first_page

    def first(self, since: str | None) -> Step:
        """Return the first step."""
        return Step(at=str(self._first_place), since=since, goes_on=True)

    def steps(self, total: int, size: int, since: str | None) -> list[Step]:
        """Return the steps to the pages of so many records, of `size` each.

        The last one goes on, should it come back full.
        """
        if isinstance(self.paging, OffsetPaging):
            places = range(0, total, size)
        else:
            places = range(self._first_place, self._first_place - (-total // size))
        steps = [
            Step(at=str(at), since=since, end="never" if at == self._first_place else "not_found")
            for at in places[:_MOST_PLANNED_PAGES]
        ]
        if steps:
            steps[-1] = steps[-1].model_copy(update={"goes_on": True, "size": size})
        return steps

    def address(self, step: Step) -> str:
        """Return the address of a page."""
        paging = self.paging
        if isinstance(paging, OffsetPaging):
            names = {
                paging.offset_parameter: str(_whole(step)),
                paging.limit_parameter: str(paging.page_size),
            }
        else:
            names = {paging.page_parameter: str(_whole(step))}
            if paging.size_parameter is not None:
                names[paging.size_parameter] = str(paging.page_size)
        return self._address(step.since, names)

    def page_id(self, step: Step) -> str:
        """Return a readable id; those of a chain tell where it began, so no two chains meet."""
        return f"{step.origin or ENDPOINT}-{_whole(step):09d}"

    def following(self, step: Step, answer: Answer) -> Step | None:
        """Return the step behind a page, unless that was empty or known to be the last.

        A page that is not full does not count as the last one: the source may give less than the
        request asks for. For the same reason offsets move by the number of records that the source
        gave.
        """
        count = len(answer.lines)
        if count < (step.size or 1):
            return None
        at = _whole(step) + (count if isinstance(self.paging, OffsetPaging) else 1)
        end: EndStatus = "not_found" if count >= self.paging.page_size else "refused"
        return step.following(str(at), self.page_id(step), answer.lines, end)


class LedPager(Pager):
    """By cursor, header or address: each page leads to the next. A single one leads nowhere.

    `secrets` are what no address that is kept may hold.
    """

    def __init__(
        self,
        settings: HttpJsonSource,
        paging: CursorPaging | LinkPaging | NextUrlPaging | SinglePage,
        secrets: Collection[str],
    ) -> None:
        super().__init__(settings)
        self._paging = paging
        self._secrets = secrets

    def first(self, since: str | None) -> Step:
        """Return the first step; its position is an address too, so that loops are detected."""
        match self._paging:
            case SinglePage():
                return Step(since=since)
            case CursorPaging():
                return Step(since=since, goes_on=True)
            case _:
                return Step(at=self._address(since, {}), goes_on=True)

    def address(self, step: Step) -> str:
        """Return the address of a page.

        Raises:
            SourceError: the page is not at the source of the corpus.
        """
        if step.at is None:
            return self._address(step.since, {})
        if isinstance(self._paging, CursorPaging):
            return self._address(step.since, {self._paging.cursor_parameter: step.at})
        # Looked at again: the corpus may name another source by now.
        return self._kept(self._settings.url, step.at)

    def page_id(self, step: Step) -> str:
        """Return an id that is the same for the same cursor or address."""
        if step.at is None:
            return f"{ENDPOINT}-first"
        is_cursor = isinstance(self._paging, CursorPaging)
        said = step.at if is_cursor else comparable(step.at)
        return f"{ENDPOINT}-{sha256(said.encode()).hexdigest()[:40]}"

    def following(self, step: Step, answer: Answer) -> Step | None:
        """Return the step that the answer names."""
        match self._paging:
            case CursorPaging(next_cursor=expression):
                at = answer.cursor(expression)
            case NextUrlPaging(next_url=expression):
                at = self._resolved(answer, answer.next_target(expression))
            case _:
                at = self._resolved(answer, _linked(answer))
        return None if at is None else step.following(at, self.page_id(step), answer.lines)

    def _resolved(self, answer: Answer, target: str | None) -> str | None:
        return None if target is None else self._kept(answer.url, target)

    def _kept(self, present: str, target: str) -> str:
        auth = self._settings.auth
        hidden = auth.name if auth is not None and auth.place == "query" else None
        return next_address(present, target, self._settings.url, hidden, self._secrets)


def make_pager(settings: HttpJsonSource, secrets: Collection[str]) -> Pager:
    """Return the way of paging that a corpus names."""
    paging = settings.paging
    if isinstance(paging, OffsetPaging | NumberPaging):
        return CountedPager(settings, paging)
    return LedPager(settings, paging, secrets)


def _linked(answer: Answer) -> str | None:
    try:
        return next_link(answer.headers.get("link", ""))
    except ValueError as error:
        raise SourceError(f"the answer of {host_path(answer.url)} is malformed: {error}") from None


def _whole(step: Step) -> int:
    at = step.at or ""
    if not (at.isascii() and at.isdigit()):
        raise SourceError("a page of an http_json corpus has a place that is no whole number")
    return int(at)
