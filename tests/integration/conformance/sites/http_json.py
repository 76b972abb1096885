"""Sites that are JSON APIs, one for each way of paging."""

import json
from abc import abstractmethod
from typing import Any, ClassVar

from tests.integration.conformance.site import Ability, Answer, Site
from tests.integration.sources.scripted_server import Request

PATH = "/api/things"


class HttpJsonSite(Site):
    """Things of an API: `{"data": {"items": […]}}`."""

    mapping: ClassVar[dict[str, Any] | None] = {"title": "name", "text": "about"}
    paging: ClassVar[dict[str, Any]]
    total: ClassVar[str | None] = None

    def source(self, url: str) -> dict[str, Any]:
        total = {} if self.total is None else {"total": self.total}
        return {
            "kind": "http_json",
            "url": f"{url}{PATH}",
            "items": "data.items",
            "paging": self.paging,
            "rate": {},
            **total,
        }

    def entity_key(self, record: int) -> str:
        return f"document:{record}"

    def answer(self, request: Request) -> Answer:
        return self.answer_query(request) if request.path == PATH else Answer(status=404)

    @abstractmethod
    def answer_query(self, request: Request) -> Answer:
        """The answer to a query of the API."""

    def things(
        self, records: list[int], headers: tuple[tuple[str, str], ...] = (), **members: Any
    ) -> Answer:
        items = [
            {"id": record, "name": f"Thing {record}", "about": f"It has a {self.marker(record)}."}
            for record in records
        ]
        document = {"data": {"items": items}, **members}
        return Answer((json.dumps(document).encode(),), headers=headers)


class OffsetSite(HttpJsonSite):
    """`?offset=&limit=` without a total: page by page."""

    name = "http_json-offset"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"changing_totals", "duplicates"})
    is_chained = True
    paging: ClassVar[dict[str, Any]] = {"style": "offset", "page_size": Site.page_size}

    def answer_query(self, request: Request) -> Answer:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        records = self.records[offset : offset + limit]
        return self.things(records, meta={"total": len(self.records)})


class OffsetTotalSite(OffsetSite):
    """`?offset=&limit=` with a total: all pages at once."""

    name = "http_json-offset-total"
    is_chained = False
    total = "meta.total"


class NumberSite(HttpJsonSite):
    """`?page=` without a total: page by page."""

    name = "http_json-number"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"changing_totals", "duplicates"})
    is_chained = True
    paging: ClassVar[dict[str, Any]] = {"style": "number", "page_size": Site.page_size}

    def answer_query(self, request: Request) -> Answer:
        records = self.page(int(request.query["page"]) - 1)
        return self.things(records, meta={"total": len(self.records)})


class NumberTotalSite(NumberSite):
    """`?page=` with a total: all pages at once."""

    name = "http_json-number-total"
    is_chained = False
    total = "meta.total"


class LeadingSite(HttpJsonSite):
    """Sites whose pages lead to the next."""

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {"changing_totals", "duplicates", "empty_pages", "loops"}
    )
    is_chained = True
    loops_to: ClassVar[int] = 1

    def served(self, step: int) -> list[int]:
        """The records of a step; with an empty page, step 1 has none."""
        if not self.has_empty_page or step == 0:
            return self.page(step)
        return [] if step == 1 else self.page(step - 1)

    def next_step(self, step: int) -> int | None:
        steps = self.page_count + (1 if self.has_empty_page else 0)
        if step + 1 < steps:
            return step + 1
        return self.loops_to if self.is_looping else None


class CursorSite(LeadingSite):
    """Each answer holds the cursor of the next."""

    name = "http_json-cursor"
    paging: ClassVar[dict[str, Any]] = {"style": "cursor", "next_cursor": "next"}

    def answer_query(self, request: Request) -> Answer:
        step = int(request.query.get("cursor", "c0").removeprefix("c"))
        following = self.next_step(step)
        return self.things(self.served(step), next=None if following is None else f"c{following}")


class LinkSite(LeadingSite):
    """Each answer names the next in its header `Link`."""

    name = "http_json-link"
    loops_to = 0
    paging: ClassVar[dict[str, Any]] = {"style": "link"}

    def answer_query(self, request: Request) -> Answer:
        step = int(request.query.get("step", "0"))
        links = ['<https://elsewhere.example/>; rel="license"']
        following = self.next_step(step)
        if following is not None:
            # The first page has no step in its address.
            links.append(f'<{PATH}{f"?step={following}" if following else ""}>; rel="next"')
        return self.things(self.served(step), headers=(("Link", ", ".join(links)),))


class NextUrlSite(LeadingSite):
    """Each answer holds the address of the next."""

    name = "http_json-next-url"
    paging: ClassVar[dict[str, Any]] = {"style": "next_url", "next_url": "links.next"}

    def answer_query(self, request: Request) -> Answer:
        step = int(request.query.get("step", "0"))
        following = self.next_step(step)
        links = {} if following is None else {"next": f"?step={following}"}
        return self.things(self.served(step), links=links)


class SingleSite(HttpJsonSite):
    """One answer has it all."""

    name = "http_json-single"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"duplicates"})
    is_chained = False
    page_size = 1000
    paging: ClassVar[dict[str, Any]] = {"style": "single"}

    def answer_query(self, request: Request) -> Answer:
        return self.things(self.records)
