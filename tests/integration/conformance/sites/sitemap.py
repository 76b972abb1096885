"""A web site with a sitemap of sitemaps and a robots.txt."""

from typing import Any, ClassVar

from tests.integration.conformance.site import Ability, Answer, Site
from tests.integration.sources.scripted_server import Request

_HTML = (("Content-Type", "text/html; charset=utf-8"),)
_XML = (("Content-Type", "application/xml"),)
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


class SitemapSite(Site):
    """Articles at `/things/<record>`; three a sitemap, and a sitemap of each three."""

    name = "sitemap"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"changing_totals"})
    is_chained = False
    # The index says which sitemaps there are; what other shape a page has is for derive to say.
    reads_growth = False
    gap_codes: ClassVar[dict[str, str]] = {"redirect": "FORBIDDEN_ADDRESS"}

    def source(self, url: str) -> dict[str, Any]:
        self._url = url
        return {
            "kind": "sitemap",
            "sitemap_url": f"{url}/sitemap.xml",
            "urls_per_page": self.page_size,
            "rate": {},
        }

    def entity_key(self, record: int) -> str:
        return f"page:/things/{record}"

    def unread_without_page_of(self, record: int) -> set[str]:
        """An address that fails is a gap by itself."""
        return {self.entity_key(record)}

    def answer(self, request: Request) -> Answer:
        match request.path.strip("/").split("/"):
            case ["robots.txt"]:
                return Answer((b"User-agent: *\nDisallow: /private\n",))
            case ["sitemap.xml"]:
                count = -(-len(self.records) // 3)
                places = [f"/sitemaps/{number}.xml" for number in range(count)]
                return self._sitemap("sitemapindex", "sitemap", places)
            case ["sitemaps", name]:
                start = int(name.removesuffix(".xml")) * 3
                places = [f"/things/{record}" for record in self.records[start : start + 3]]
                return self._sitemap("urlset", "url", places)
            case ["things", record] if int(record) in self.records:
                return Answer((self._article(int(record)).encode(),), headers=_HTML)
        return Answer(status=404)

    def _sitemap(self, root: str, entry: str, places: list[str]) -> Answer:
        entries = "".join(f"<{entry}><loc>{self._url}{place}</loc></{entry}>" for place in places)
        text = f'<?xml version="1.0"?><{root} xmlns="{_NAMESPACE}">{entries}</{root}>'
        return Answer((text.encode(),), headers=_XML)

    def _article(self, record: int) -> str:
        return (
            f'<!doctype html><html lang="en"><head><title>Thing {record}</title></head><body>'
            "<nav><a href='/'>Home</a></nav><article>"
            f"<h1>Thing {record}</h1><p>Thing {record} has a {self.marker(record)}.</p>"
            "<p>It is one of several things, and each of them has a page of its own.</p>"
            "</article></body></html>"
        )
