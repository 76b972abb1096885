"""The sites that the conformance suite tries; bring yours in here."""

from tests.integration.conformance.site import Ability, Site
from tests.integration.conformance.sites.http_json import (
    CursorSite,
    LinkSite,
    NextUrlSite,
    NumberSite,
    NumberTotalSite,
    OffsetSite,
    OffsetTotalSite,
    SingleSite,
)
from tests.integration.conformance.sites.marvel import MarvelSite
from tests.integration.conformance.sites.mediawiki import ExtractSite, MediaWikiSite
from tests.integration.conformance.sites.sitemap import SitemapSite

SITES: tuple[type[Site], ...] = (
    MarvelSite,
    OffsetSite,
    OffsetTotalSite,
    NumberSite,
    NumberTotalSite,
    CursorSite,
    LinkSite,
    NextUrlSite,
    SingleSite,
    MediaWikiSite,
    ExtractSite,
    SitemapSite,
)


def sites_with(*abilities: Ability) -> list[type[Site]]:
    """The sites that are able to show something."""
    return [site for site in SITES if site.abilities >= frozenset(abilities)]
