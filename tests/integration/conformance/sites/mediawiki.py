"""Wikis, as `api.php` shows them: one by wikitext, one by extracts."""

import json
from typing import Any, ClassVar

from tests.integration.conformance.site import Ability, Answer, Site
from tests.integration.sources.scripted_server import Request

PATH = "/w/api.php"
_LISTED = 4


class MediaWikiSite(Site):
    """Pages 1, 2, 3, … of the main namespace; four a listing."""

    name = "mediawiki"
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {"changing_totals", "duplicates", "empty_pages", "loops"}
    )
    is_chained = False
    text: ClassVar[str] = "wikitext"

    def source(self, url: str) -> dict[str, Any]:
        return {
            "kind": "mediawiki",
            "api_url": f"{url}{PATH}",
            "titles_per_request": self.page_size,
            "text": self.text,
            "rate": {},
        }

    def entity_key(self, record: int) -> str:
        return f"page:{record}"

    @property
    def page_count(self) -> int:
        """The listings count too: they are pages without records."""
        return super().page_count + -(-len(self.records) // _LISTED)

    def answer(self, request: Request) -> Answer:
        if request.path != PATH or request.query.get("action") != "query":
            return Answer(status=404)
        assert request.query["maxlag"] == "5"
        if "generator" in request.query:
            return self._listing(request.query)
        return self._contents(request.query)

    def _listing(self, query: dict[str, str]) -> Answer:
        start = int(query.get("gapcontinue", "0"))
        if self.has_empty_page and start == 0 and "gapcontinue" not in query:
            return _json({"continue": {"gapcontinue": "0", "continue": "gapcontinue||"}})
        end = start + _LISTED
        pages = [
            {"pageid": record, "ns": 0, "title": f"Thing {record}"}
            for record in self.records[start:end]
        ]
        document: dict[str, Any] = {"batchcomplete": True, "query": {"pages": pages}}
        if end < len(self.records):
            document["continue"] = {"gapcontinue": str(end), "continue": "gapcontinue||"}
        elif self.is_looping:
            document["continue"] = {"gapcontinue": str(start), "continue": "gapcontinue||"}
        return _json(document)

    def _contents(self, query: dict[str, str]) -> Answer:
        wanted = [int(page_id) for page_id in query["pageids"].split("|")]
        return _json({"batchcomplete": True, "query": {"pages": list(map(self._page, wanted))}})

    def _page(self, record: int) -> dict[str, Any]:
        if record not in self.records:
            return {"pageid": record, "missing": True}
        return {
            "pageid": record,
            "ns": 0,
            "title": f"Thing {record}",
            "fullurl": f"https://wiki.example/Thing_{record}",
            **self._text(record),
        }

    def _text(self, record: int) -> dict[str, Any]:
        wikitext = f"'''Thing {record}''' has a {self.marker(record)}.{{{{Stub}}}}"
        revision = {
            "revid": 1000 + record,
            "timestamp": "2026-01-02T03:04:05Z",
            "slots": {"main": {"contentmodel": "wikitext", "content": wikitext}},
        }
        return {"revisions": [revision]}


class ExtractSite(MediaWikiSite):
    """A wiki with TextExtracts, which gives one extract an answer."""

    name = "mediawiki-extract"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"changing_totals"})
    text = "extract"

    def _contents(self, query: dict[str, str]) -> Answer:
        wanted = [int(page_id) for page_id in query["pageids"].split("|")]
        step = int(query.get("excontinue", "0"))
        pages = [self._page(record) for record in wanted]
        pages[step] |= {} if "missing" in pages[step] else self._extract(wanted[step])
        document: dict[str, Any] = {"query": {"pages": pages}}
        if step + 1 < len(wanted):
            document["continue"] = {"excontinue": step + 1, "continue": "||info|revisions"}
        return _json(document)

    def _text(self, record: int) -> dict[str, Any]:
        return {"revisions": [{"revid": 1000 + record, "timestamp": "2026-01-02T03:04:05Z"}]}

    def _extract(self, record: int) -> dict[str, Any]:
        return {"extract": f"Thing {record} has a {self.marker(record)}."}


def _json(document: dict[str, Any]) -> Answer:
    return Answer((json.dumps(document).encode(),), headers=(("Content-Type", "application/json"),))
