"""Makes the source that a corpus names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from shared.errors import SettingsError
from shared.models.corpus import Corpus
from shared.models.sources import JsonlSource, MarvelSource
from shared.sources.base import Source
from shared.sources.http import HttpClient
from shared.sources.objects.source import JsonlObjects
from shared.sources.marvel.signing import MarvelKeys
from shared.sources.marvel.source import MarvelApi
from shared.sources.retry import Retrier, RetryPolicy, Timing
from shared.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class SourceTools:
    """What sources are built on; each source takes what it needs.

    `spend_budget(name, day, limit)` counts a call and raises `BudgetExhaustedError`;
    `marvel_keys(secret_name)` reads credentials only when a source needs them.
    """

    store: ObjectStore
    marvel_keys: Callable[[str], MarvelKeys]
    spend_budget: Callable[[str, date, int], None]
    http: HttpClient
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    timing: Timing = field(default_factory=Timing)


def make_source(corpus: Corpus, tools: SourceTools) -> Source:
    """Return the source of a corpus."""
    match corpus.source:
        case MarvelSource() as settings:
            return _make_marvel(settings, tools)
        case JsonlSource() as settings:
            return JsonlObjects(settings, tools.store)
        case _:
            raise SettingsError(f"there is no source of kind {corpus.source.kind} yet")


def _make_marvel(settings: MarvelSource, tools: SourceTools) -> Source:
    # The budget is the account's, so corpora that share a secret share it.
    budget_name = f"marvel/{settings.secret_name}"

    def spend(day: date, limit: int) -> None:
        tools.spend_budget(budget_name, day, limit)

    return MarvelApi(
        settings,
        tools.marvel_keys(settings.secret_name),
        spend,
        tools.http,
        Retrier(tools.retry_policy, tools.timing),
        tools.timing,
    )
