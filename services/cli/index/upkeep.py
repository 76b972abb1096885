"""The indexes of a corpus: their versions and shards, their repair, and recall."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from services.cli.ask.api import error_of_status
from services.cli.errors import UnavailableError
from services.cli.functions import invoke
from services.cli.names import require_corpus_name
from shared.errors import CorruptObjectError, NotFoundError
from shared.index.manifest.manifest_format import parse_manifest
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest, ModelIdentity
from shared.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

POLL_SECONDS = 2.0
_MANIFEST_KEY = re.compile(r"(indexes/[^/]+/model=[^/]+/dims=\d+/)(?:manifest|manifests/\d+)\.json")


@dataclass(frozen=True, slots=True)
class FoundIndex:
    """An index, the model of its newest manifest, and its manifests."""

    prefix: str
    model: ModelIdentity
    manifests: ManifestStore


def find_indexes(store: ObjectStore, corpus: str) -> Iterator[FoundIndex]:
    """Each index of a corpus, one a model.

    Raises:
        InvalidInputError: no corpus can have this name.
        CorruptObjectError: an index has no manifest that can be read, not even an older one.
    """
    require_corpus_name(corpus)
    manifest_keys: dict[str, list[str]] = {}
    for found in store.list(f"indexes/{corpus}/"):
        if match := _MANIFEST_KEY.fullmatch(found.key):
            manifest_keys.setdefault(match[1], []).append(found.key)
    for prefix, keys in manifest_keys.items():
        # The manifest itself sorts before its older versions, of which the newest comes last.
        newest_first = [key for key in keys if key.endswith("/manifest.json")]
        newest_first += [key for key in reversed(keys) if not key.endswith("/manifest.json")]
        model = _first_readable(store, corpus, newest_first).model
        yield FoundIndex(prefix, model, ManifestStore(store, corpus, model))


def _first_readable(store: ObjectStore, corpus: str, keys: list[str]) -> Manifest:
    problem = ""
    for key in keys:
        try:
            return parse_manifest(store.get(key), corpus)
        except (CorruptObjectError, NotFoundError) as error:
            problem = problem or str(error)
    raise CorruptObjectError(problem)


def index_document(store: ObjectStore, corpus: str, limit: int) -> dict[str, Any]:
    """The newest `limit` versions of each index of a corpus.

    Raises:
        NotFoundError: it has no index.
        CorruptObjectError, InvalidInputError: see `find_indexes`.
    """
    indexes = [
        {
            "prefix": index.prefix,
            "model": index.model.model_dump(),
            "versions": [_version_summary(m) for m in islice(index.manifests.versions(), limit)],
        }
        for index in find_indexes(store, corpus)
    ]
    if not indexes:
        raise NotFoundError(f"{corpus} has no index; `ultron run start` makes one")
    return {"corpus": corpus, "indexes": indexes}


def _version_summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "version": manifest.version,
        "committed_at": manifest.committed_at.isoformat(timespec="seconds"),
        "change": manifest.change,
        "shards": len(manifest.shards),
        "vectors": sum(shard.vectors for shard in manifest.shards),
        "size_bytes": sum(shard.size_bytes for shard in manifest.shards),
    }


def shards_document(store: ObjectStore, corpus: str) -> dict[str, Any]:
    """The shards of the newest version of each index of a corpus.

    Raises:
        NotFoundError: it has no index.
        CorruptObjectError, InvalidInputError: see `find_indexes`.
    """
    indexes = [
        {
            "model": index.model.model_dump(),
            "version": manifest.version,
            "shards": [
                {
                    "shard_id": shard.shard_id,
                    "vectors": shard.vectors,
                    "entities": shard.entities,
                    "size_bytes": shard.size_bytes,
                    "origin": shard.origin,
                }
                for shard in manifest.shards
            ],
        }
        for index in find_indexes(store, corpus)
        for manifest in islice(index.manifests.versions(), 1)
    ]
    if not indexes:
        raise NotFoundError(f"{corpus} has no index; `ultron run start` makes one")
    return {"corpus": corpus, "indexes": indexes}


def mark_shard_bad(
    client: "LambdaClient", function_name: str, corpus: str, shard_id: str, *, rebuild: bool
) -> dict[str, Any]:
    """Have the compactor take a shard out; the `version` without it and its `vectors`.

    Raises:
        LeaseHeldError: a run holds the corpus.
        UltronError: see `invoke`; NotFoundError when there is no such shard.
    """
    event = {"mark_bad": {"corpus": corpus, "shard": shard_id, "rebuild": rebuild}}
    answer = invoke(client, function_name, event)
    return _answer_with(answer, function_name, version=int, shards=int, vectors=int)


def restore_index(
    client: "LambdaClient", function_name: str, corpus: str, version: int
) -> dict[str, Any]:
    """Have the compactor restore a version; what it answers, with the new `version`.

    Raises:
        LeaseHeldError: a run holds the corpus.
        UltronError: see `invoke`; NotFoundError when there is no such version.
    """
    event = {"restore": {"corpus": corpus, "version": version}}
    return _answer_with(invoke(client, function_name, event), function_name, version=int)


def rebuild_index(client: "LambdaClient", function_name: str, corpus: str) -> dict[str, Any]:
    """Have the compactor begin to rebuild; its `rebuild_id` and how many `steps` it takes.

    Raises:
        UltronError: see `invoke`; NotFoundError when the corpus has no vectors.
    """
    answer = invoke(client, function_name, {"rebuild": {"corpus": corpus}})
    return _answer_with(answer, function_name, rebuild_id=str, steps=int)


def measure_recall(
    client: "LambdaClient", function_name: str, request: dict[str, Any]
) -> dict[str, Any]:
    """Have retrieve compare its answers with those of an exact search.

    Raises:
        UltronError: see `invoke`; or the error that retrieve answers with.
    """
    try:
        answer = invoke(client, function_name, {"recall": request})
    except UnavailableError as error:
        if "timed out" in str(error):
            raise UnavailableError(f"{error}; ask for fewer samples") from error
        raise
    if isinstance(problem := answer.get("error"), dict):
        words = f"{function_name} answered: {problem.get('message') or 'no reason given'}"
        raise error_of_status(problem.get("status"))(words)
    return _answer_with(
        answer, function_name, corpus=str, k=int, samples=int, recall=float, recall_worst=float
    )


def _answer_with(
    answer: dict[str, Any], function_name: str, **fields: type[int | float | str]
) -> dict[str, Any]:
    """The answer, made sure to hold these fields."""
    for name, kind in fields.items():
        value = answer.get(name)
        kinds = (int, float) if kind is float else kind
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise UnavailableError(
                f"{function_name} answered without a usable {name}; is that the right function, "
                "and of this release?"
            )
    return answer


def newest_versions(store: ObjectStore, corpus: str) -> dict[str, int]:
    """The newest version of each index of a corpus, by prefix; a damaged index has none."""
    try:
        return {
            index.prefix: max((m.version for m in islice(index.manifests.versions(), 1)), default=0)
            for index in find_indexes(store, corpus)
        }
    except CorruptObjectError:
        return {}


def wait_for_rebuild(
    store: ObjectStore,
    corpus: str,
    rebuild_id: str,
    before: Mapping[str, int],
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Manifest:
    """Wait for the version that a rebuild commits, which others may have followed already.

    `before` holds the newest version of each index before the rebuild began.

    Raises:
        UnavailableError: there is none in time.
    """
    deadline = clock() + timeout_seconds
    while True:
        if manifest := _committed_rebuild(store, corpus, f"rebuild:{rebuild_id}", before):
            return manifest
        if clock() >= deadline:
            raise UnavailableError(
                f"rebuild {rebuild_id} has not ended within {timeout_seconds:.0f} s and may go on; "
                "`ultron index list` shows when it is live, "
                "`ultron dlq list --stage compactor` why it failed"
            )
        pause(POLL_SECONDS)


def _committed_rebuild(
    store: ObjectStore, corpus: str, change: str, before: Mapping[str, int]
) -> Manifest | None:
    try:
        for index in find_indexes(store, corpus):
            for manifest in index.manifests.versions():
                if manifest.version <= before.get(index.prefix, 0):
                    break
                if manifest.change == change:
                    return manifest
    except CorruptObjectError:
        return None  # which a rebuild repairs
    return None
