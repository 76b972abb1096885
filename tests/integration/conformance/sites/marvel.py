"""A site that speaks the wire format of the Marvel API."""

import json
from typing import Any, ClassVar

from tests.integration.conformance.site import Ability, Answer, Site
from tests.integration.sources.scripted_server import Request


class MarvelSite(Site):
    """Characters of the API, in the order of their numbers."""

    name = "marvel"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"changing_totals", "duplicates"})
    is_chained = False
    gap_codes: ClassVar[dict[str, str]] = {"wrong_form": "SOURCE", "redirect": "SOURCE"}
    reads_growth = False  # what changed is newer than the watermark: the next run reads it

    def source(self, url: str) -> dict[str, Any]:
        return {
            "kind": "marvel",
            "base_url": url,
            "endpoints": ["characters"],
            "page_size": self.page_size,
        }

    def entity_key(self, record: int) -> str:
        return f"character:{record}"

    def answer(self, request: Request) -> Answer:
        if request.path != "/v1/public/characters":
            return Answer(status=404)
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        records = self.records
        if request.query["orderBy"] == "-modified":
            records = records[::-1]
        results = [self._character(record) for record in records[offset : offset + limit]]
        data = {"offset": offset, "limit": limit, "total": len(records), "count": len(results)}
        document = {"code": 200, "status": "Ok", "data": {**data, "results": results}}
        return Answer((json.dumps(document).encode(),))

    def _character(self, record: int) -> dict[str, Any]:
        return {
            "id": record,
            "name": f"Hero {record}",
            "description": f"A hero with a {self.marker(record)}.",
            "modified": f"2026-01-01T00:00:{record:02d}-0500",
        }
