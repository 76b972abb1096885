"""An index beyond one invocation's budget: other invocations search the rest of it."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.retrieve.api import answer_directly
from services.retrieve.library import Elsewhere
from services.retrieve.retriever import Retriever
from shared.errors import OverloadedError
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest, ShardDescriptor
from tests.unit.retrieve.conftest import Deployment

SHARDS = 5
QUERY = "w4 w5 w20"


class OtherEnvironments:
    """Invokes the function itself: each call gets the next environment, with its own disk."""

    def __init__(self, retrievers: list[Retriever]) -> None:
        self._retrievers = retrievers
        self.events: list[dict[str, Any]] = []
        self.before: Callable[[dict[str, Any]], None] = lambda _: None

    def invoke(self, payload: bytes) -> bytes:
        event = json.loads(payload)
        self.before(event)
        self.events.append(event)
        retriever = self._retrievers[len(self.events) % len(self._retrievers)]
        return json.dumps(answer_directly(lambda: retriever, event)).encode()


@pytest.fixture
def whole(make_deployment: Callable[[], Deployment]) -> Deployment:
    """A deployment whose index has several shards; one process searches it."""
    made = make_deployment()
    for number in range(SHARDS):
        texts: dict[str, tuple[str, str | None]] = {
            f"comic:{n}": (f"w{n % 13} w{n % 29} w{n}", "2020-01-01")
            for n in range(number * 8, number * 8 + 10)  # the last two are updated by the next
        }
        made.commit(texts, origin=f"run/page/{number}", seq=number + 1)
    return made


@pytest.fixture
def others(whole: Deployment, tmp_path: Path) -> OtherEnvironments:
    return OtherEnvironments([whole.new_retriever(tmp_path / f"env-{n}") for n in range(2)])


@pytest.fixture
def waiting() -> Iterator[Executor]:
    """Threads that wait for others; never those that the others work with."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def split(
    whole: Deployment, others: OtherEnvironments, waiting: Executor, tmp_path: Path
) -> Deployment:
    """The same deployment where one invocation may hold two shards."""
    largest = max(shard.size_bytes for shard in shards(whole))
    elsewhere = Elsewhere(others, waiting)
    whole.retriever = whole.new_retriever(tmp_path / "own", elsewhere, 2 * largest)
    return whole


def manifests(deployment: Deployment) -> ManifestStore:
    return ManifestStore(deployment.store, "demo", deployment.encoder.identity)


def shards(deployment: Deployment) -> tuple[ShardDescriptor, ...]:
    return manifests(deployment).read().manifest.shards


def requests() -> list[dict[str, Any]]:
    return [
        {"q": QUERY, "k": 20, "mode": mode, "filters": filters, **more}
        for mode in ("dense", "lexical", "hybrid")
        for filters in ({}, {"entity": "comic"}, {"id": "17"})
        for more in ({}, {"threshold": 0.2})
        if not (mode == "lexical" and more)
    ]


def test_the_answers_are_those_of_one_process(
    whole: Deployment, others: OtherEnvironments, waiting: Executor, tmp_path: Path
) -> None:
    expected = [whole.invoke(request)["results"] for request in requests()]
    largest = max(shard.size_bytes for shard in shards(whole))
    for budget, groups in ((1, 5), (2 * largest, 3), (10 * largest, None)):
        elsewhere = Elsewhere(others, waiting)
        own = tmp_path / f"own-{budget}"
        whole.retriever = whole.new_retriever(own, elsewhere, budget)
        for request, results in zip(requests(), expected, strict=True):
            answer = whole.invoke(request)
            assert answer["results"] == results
            assert answer["partial"] is False
            state = {"version": SHARDS, "shards": SHARDS}
            if groups is not None:
                state["groups"] = {"searched": groups, "of": groups}  # type: ignore[assignment]
                assert answer["timing_ms"]["groups"] >= 0
            assert answer["index"] == state
            assert ("groups" in answer["timing_ms"]) == (groups is not None)


def test_an_invocation_fetches_no_more_than_its_share(split: Deployment, tmp_path: Path) -> None:
    split.invoke({"q": QUERY})
    graphs = [path for path in (tmp_path / "own" / "shards").iterdir() if path.suffix == ".hnsw"]
    assert len(graphs) == 2


def test_http_answers_say_how_many_groups_there_were(split: Deployment) -> None:
    status, body, _ = split.get(q=QUERY)
    assert (status, body["index"]["groups"]) == (200, {"searched": 3, "of": 3})


def test_the_words_of_a_query_travel_but_not_the_query(
    split: Deployment, others: OtherEnvironments
) -> None:
    split.invoke({"q": "w4, Swordfish!", "mode": "dense"})
    split.invoke({"q": "w4, Swordfish!", "mode": "hybrid"})
    assert "Swordfish" not in json.dumps(others.events)
    asked = [event["group"]["ask"] for event in others.events]
    assert sorted(asked) == ["search"] * 4 + ["spelling"] * 2 + ["statistics"] * 2


def throttled(event: dict[str, Any]) -> None:
    raise OverloadedError("the function's concurrency is in use")


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_a_failing_group_is_a_503_unless_a_part_will_do(
    split: Deployment, others: OtherEnvironments, mode: str
) -> None:
    others.before = throttled
    status, body, content_type = split.get(q=QUERY, mode=mode)
    assert (status, content_type) == (503, "application/problem+json")
    assert body["error"]["code"] == "PARTIAL_FAILURE"
    assert "2 of the 3 groups" in body["detail"]
    status, body, _ = split.get(q=QUERY, mode=mode, partial="true")
    assert (status, body["partial"]) == (200, True)
    assert body["index"]["groups"] == {"searched": 1, "of": 3}
    assert body["results"]


@pytest.mark.parametrize("partial", ["true", "false"])
def test_without_a_catalog_nothing_is_answered(split: Deployment, partial: str) -> None:
    lost = shards(split)[0]
    for file in lost.files:
        split.store.delete(file.key)
    status, body, _ = split.get(q=QUERY, partial=partial)
    # Its catalog is needed by all: who else has its entities cannot be known without.
    assert (status, body["error"]["code"]) == (503, "DAMAGED_INDEX")
    assert f"--shard {lost.shard_id}" in body["detail"]


@pytest.mark.parametrize(
    ("number", "searched"), [(0, 3), (SHARDS - 1, 2)], ids=["own", "elsewhere"]
)
def test_a_damaged_graph_costs_its_shard_here_and_its_group_elsewhere(
    split: Deployment, number: int, searched: int
) -> None:
    damaged = shards(split)[number]
    assert damaged.graph is not None
    split.store.put(damaged.graph.key, b"damaged")
    status, body, _ = split.get(q=QUERY)
    assert (status, body["error"]["code"]) == (503, "DAMAGED_INDEX")
    assert f"--shard {damaged.shard_id}" in body["detail"]
    status, body, _ = split.get(q=QUERY, partial="true")
    assert (status, body["partial"]) == (200, True)
    assert body["index"]["groups"] == {"searched": searched, "of": 3}
    assert body["index"].get("damaged_shards") == (1 if number == 0 else None)


def test_everybody_answers_from_the_version_of_the_coordinator(
    split: Deployment, others: OtherEnvironments, tmp_path: Path
) -> None:
    event = {"retrieve": {"q": QUERY, "k": 50}}
    one_process = split.new_retriever(tmp_path / "one-process")
    before = answer_directly(lambda: one_process, event)["results"]
    committed: list[str] = []

    def commit_meanwhile(event: dict[str, Any]) -> None:
        if not committed:
            committed.append("once")
            texts: dict[str, tuple[str, str | None]] = {f"comic:{n}": ("", None) for n in range(40)}
            split.commit(texts, origin="run2/page/0", seq=99)

    others.before = commit_meanwhile
    during = split.invoke({"q": QUERY, "k": 50})
    assert (during["results"], during["index"]["version"]) == (before, SHARDS)
    after = split.invoke({"q": QUERY, "k": 50})
    assert after["index"]["version"] == SHARDS + 1
    assert {result["id"] for result in after["results"]} == {"comic:40-001", "comic:41-001"}


def of_scope(manifest: Manifest, **changes: Any) -> dict[str, Any]:
    scope = {
        "corpus": "demo",
        "model": manifest.model.model_dump(),
        "version": manifest.version,
        "shard_ids": [manifest.shards[0].shard_id],
        **changes,
    }
    question = {"ask": "statistics", "scope": scope, "by_entity": True, "terms": ["w4"]}
    return {"group": question}


def test_a_group_that_is_not_there_is_an_error(whole: Deployment) -> None:
    manifest = manifests(whole).read().manifest
    assert whole.send(of_scope(manifest))["units"] == 8
    assert whole.send(of_scope(manifest, version=99))["error"]["code"] == "NOT_FOUND"
    assert whole.send(of_scope(manifest, shard_ids=["0" * 8]))["error"]["code"] == "INTERNAL"
    other = manifest.model.model_dump() | {"revision": "another"}
    assert whole.send(of_scope(manifest, model=other))["error"]["code"] == "DIMENSION_MISMATCH"


@pytest.mark.parametrize(
    "payload", [None, {}, {"ask": "everything"}, {"ask": "search"}, {"ask": "statistics", "x": 1}]
)
def test_a_bad_group_request_is_refused(whole: Deployment, payload: Any) -> None:
    assert whole.send({"group": payload})["error"]["code"] == "INVALID_INPUT"


def test_indexes_beyond_the_budget_are_let_go(split: Deployment) -> None:
    split.commit({"hero:1": ("w1", None)}, origin="o", seq=1, corpus="other")
    opened = [
        "shards" in split.invoke({"q": "w1", "corpus": corpus})["timing_ms"]
        for corpus in ("demo", "demo", "other", "other", "demo")
    ]
    assert opened == [True, False, True, False, True]


def test_no_word_of_a_query_reaches_the_log_of_any_invocation(
    split: Deployment, others: OtherEnvironments, everything_logged: io.StringIO
) -> None:
    for mode in ("dense", "lexical", "hybrid"):
        split.invoke({"q": "swordfish", "mode": mode})
    others.before = throttled
    split.invoke({"q": "swordfish"})
    split.send({"group": {"ask": "swordfish"}})
    assert "answered for a group" in everything_logged.getvalue()
    assert "a group failed" in everything_logged.getvalue()
    assert "swordfish" not in everything_logged.getvalue()
