"""Makes the source that a corpus names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from shared.models.corpus import Corpus
from shared.models.sources import (
    HttpJsonSource,
    JsonlSource,
    MarvelArchiveSource,
    MarvelSource,
    MediaWikiSource,
    RateLimit,
    SitemapSource,
)
from shared.sources.base import Source
from shared.sources.http_json.source import HttpJsonApi
from shared.sources.marvel.archive import MarvelArchive
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.marvel.source import MarvelApi
from shared.sources.mediawiki.source import MediaWiki
from shared.sources.objects.source import JsonlObjects
from shared.sources.sitemap.robots import RobotsCache
from shared.sources.sitemap.source import SitemapPages
from shared.storage.object_store import ObjectStore
from shared.web.client import SourceClient
from shared.web.http_get import HttpClient
from shared.web.rates import SharedRates
from shared.web.retry import RetryPolicy, Timing, WaitPolicy


@dataclass(frozen=True, slots=True)
class SourceTools:
    """What sources are built on; each source takes what it needs.

    `marvel_keys(secret_name)` and `secret_field(secret_name, field)` read credentials only when a
    source needs them. `rates` are what all workers may ask of a source together.
    """

    store: ObjectStore
    marvel_keys: Callable[[str], MarvelKeys]
    secret_field: Callable[[str, str], str]
    rates: SharedRates
    http: HttpClient
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    wait_policy: WaitPolicy = field(default_factory=WaitPolicy)
    timing: Timing = field(default_factory=Timing)
    robots: RobotsCache = field(default_factory=RobotsCache)

    def client(self, bucket: str, rate: RateLimit) -> SourceClient:
        """Return the way to a source; callers of the same bucket share its limits."""
        return SourceClient(
            self.http,
            bucket,
            rate,
            self.rates,
            retry_policy=self.retry_policy,
            wait_policy=self.wait_policy,
            timing=self.timing,
        )


def make_source(corpus: Corpus, tools: SourceTools) -> Source:
    """Return the source of a corpus, made for each job: only `SourceSecrets` keeps credentials."""
    match corpus.source:
        case MarvelSource() as settings:
            return _make_marvel(settings, tools)
        case MarvelArchiveSource() as settings:
            return MarvelArchive(settings, tools.store)
        case JsonlSource() as settings:
            return JsonlObjects(settings, tools.store)
        case HttpJsonSource() as settings:
            return _make_http_json(settings, tools)
        case MediaWikiSource() as settings:
            client = tools.client(_host(settings.api_url), settings.rate)
            return MediaWiki(settings, client, tools.timing)
        case SitemapSource() as settings:
            make_client = partial(tools.client, _host(settings.sitemap_url))
            return SitemapPages(settings, make_client, tools.robots, tools.timing)


def _make_marvel(settings: MarvelSource, tools: SourceTools) -> Source:
    # The limits are the account's, so corpora that share a secret share them.
    client = tools.client(f"marvel/{settings.secret_name}", settings.rate)
    keys = tools.marvel_keys(settings.secret_name)
    return MarvelApi(settings, keys, client, tools.http, tools.timing)


def _make_http_json(settings: HttpJsonSource, tools: SourceTools) -> Source:
    # Corpora that show the same credential, or none to the same host, share its limits.
    secret, bucket = None, _host(settings.url)
    if settings.auth is not None:
        secret = tools.secret_field(settings.auth.secret_name, settings.auth.secret_field)
        bucket = f"secret/{settings.auth.secret_name}"
    return HttpJsonApi(settings, tools.client(bucket, settings.rate), secret, tools.timing)


def _host(url: str) -> str:
    """The bucket of all that is read from a host without a credential."""
    return urlsplit(url).netloc.lower()
