"""Which function turns the records of a corpus into entities."""

from functools import partial

from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.records import Canonicaliser
from shared.models.corpus import Corpus
from shared.models.sources import (
    HttpJsonSource,
    JsonlSource,
    MarvelArchiveSource,
    MarvelSource,
    MediaWikiSource,
    SitemapSource,
)
from shared.sources.marvel.entities import canonicalise_marvel
from shared.sources.mediawiki.entities import canonicalise_wiki_page
from shared.sources.sitemap.entities import canonicalise_web_page


def canonicaliser(corpus: Corpus) -> Canonicaliser:
    """Return the function for the records of a corpus."""
    match corpus.source:
        case MarvelSource() | MarvelArchiveSource():
            return canonicalise_marvel
        case JsonlSource() | HttpJsonSource():
            return partial(canonicalise_mapped, corpus.field_mapping, corpus.source.kind)
        case MediaWikiSource() as settings:
            return partial(canonicalise_wiki_page, settings.entity_type)
        case SitemapSource() as settings:
            return partial(canonicalise_web_page, settings.entity_type)
