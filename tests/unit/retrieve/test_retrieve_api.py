"""`GET /retrieve` and direct invocation over a real model and a real index, in memory."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.retrieve.request import RetrieveRequest
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.errors import SettingsError
from shared.models.manifest import ModelIdentity
from shared.storage.keys import manifest_key
from tests.unit.embedding.conftest import ModelFolder
from tests.unit.retrieve.conftest import TEXTS, Deployment

PROBLEM = "application/problem+json"
QUERY = "w4 w5 w6"


def ids(body: dict[str, object]) -> list[str]:
    results = body["results"]
    assert isinstance(results, list)
    return [result["id"] for result in results]


def test_the_body_holds_all_that_is_promised(deployment: Deployment) -> None:
    status, body, content_type = deployment.get(q=QUERY, k="2", mode="dense")
    assert (status, content_type) == (200, "application/json")
    assert set(body) == {
        "query", "k", "mode", "filters", "results", "partial", "model", "index", "timing_ms",
    }  # fmt: skip
    assert (body["query"], body["k"], body["mode"], body["filters"]) == (QUERY, 2, "dense", {})
    assert body["model"] == deployment.encoder.identity.model_dump()
    assert body["index"] == {"version": 1, "shards": 1}
    first = body["results"][0]
    assert first == {
        "id": "comic:2-001",
        "score": 1.0,
        "similarity": 1.0,
        "snippet": QUERY,
        "meta": {
            "entity": "comic",
            "id": "2",
            "title": "Title of comic:2",
            "urls": ["https://example.test/2"],
            "modified": "2021-01-01T12:00:00-05:00",
            "source_path": "raw/demo/page.jsonl.gz",
            "attribution": "made for tests",
        },
        "passages": [],
    }
    assert len(body["results"]) == 2


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_the_answer_says_which_words_stood_for_others(deployment: Deployment, mode: str) -> None:
    deployment.commit({"hero:9": ("ultron w9", None)}, origin="run/page/1", seq=1)
    _, body, _ = deployment.get(q="Ulton", mode=mode)
    assert (body["query"], body["corrected"]) == ("Ulton", {"ulton": "ultron"})
    assert ids(body)[0] == "hero:9-001"
    _, body, _ = deployment.get(q="Ulton", mode=mode, spelling="false")
    assert "corrected" not in body
    _, body, _ = deployment.get(q="Ulton", mode="dense")
    assert "corrected" not in body


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_word_that_the_model_knows_is_not_misspelt(
    deployment: Deployment, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.commit({"hero:9": ("ultron w9", None)}, origin="run/page/1", seq=1)
    monkeypatch.setattr(OnnxEncoder, "has_word", lambda _, word: word == "ulton")
    assert "corrected" not in deployment.get(q="Ulton", mode=mode)[1]
    assert deployment.get(q="Ultran", mode=mode)[1]["corrected"] == {"ultran": "ultron"}


WORDS_OF_NO_INDEX = [a + b for a in "abcdefghijklmnopq" for b in "abcdefghijklmnopqr"]


@pytest.mark.parametrize(
    "text",
    [
        "?!…", ".", "the of and", "q", "ß", "大" * 1000, "カ" * 999, "\u200b?", "w" * 1000,
        " ".join(WORDS_OF_NO_INDEX[:300]), " ".join(one * 3 for one in WORDS_OF_NO_INDEX[:142]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_a_query_without_a_known_word_is_answered_in_bounded_time(
    deployment: Deployment, mode: str, text: str
) -> None:
    deployment.get(q=QUERY, mode=mode)
    started = time.process_time()
    status, body, _ = deployment.get(q=text, mode=mode)
    assert time.process_time() - started < 1.0
    assert status == 200
    assert "corrected" not in body
    # The titles of the corpus hold an "of".
    assert bool(body["results"]) == (mode != "lexical" or text == "the of and")


def test_cold_parts_show_only_in_the_call_they_happened_in(deployment: Deployment) -> None:
    warm = {"embed", "search", "hydrate", "total"}
    assert set(deployment.get(q=QUERY)[1]["timing_ms"]) == warm | {"model", "shards"}
    assert set(deployment.get(q=QUERY)[1]["timing_ms"]) == warm
    deployment.commit({"hero:3": ("w13", None)}, origin="run/page/1", seq=1)
    timings = deployment.get(q=QUERY)[1]["timing_ms"]
    assert set(timings) == warm | {"shards"}
    assert timings["total"] >= timings["embed"] + timings["search"] + timings["shards"]


def test_the_lexical_mode_needs_no_model(deployment: Deployment) -> None:
    status, body, _ = deployment.get(q="w5", mode="lexical")
    assert (status, ids(body)) == (200, ["comic:2-001"])
    assert body["results"][0]["similarity"] is None
    assert not deployment.retriever.models.default().is_loaded


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"filter__entity": "hero"}, {"hero:1", "hero:2"}),
        ({"filter__entity": "hero,comic", "filter__id": "1"}, {"hero:1", "comic:1"}),
        ({"filter__entity": ["hero", "comic"], "filter__id": "2"}, {"hero:2", "comic:2"}),
        ({"filter__since": "2020-01-02"}, {"comic:2"}),
        ({"filter__until": "2020-01-01"}, {"comic:1"}),
        ({"filter__since": "2020-01-01", "filter__until": "2021-01-01"}, {"comic:1", "comic:2"}),
        ({"filter__until": "2021-01-01T16:59:59Z"}, {"comic:1"}),
        ({"filter__entity": "villain"}, set()),
    ],
)
@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_filters_narrow_the_results(
    deployment: Deployment, mode: str, filters: dict[str, str], expected: set[str]
) -> None:
    status, body, _ = deployment.get(q=QUERY, k="50", mode=mode, **filters)
    assert status == 200
    assert set(ids(body)) == {f"{key}-001" for key in expected}


def test_the_threshold_leaves_out_what_is_far(deployment: Deployment) -> None:
    assert ids(deployment.get(q=QUERY, threshold="0.9999")[1]) == ["comic:2-001"]
    assert len(ids(deployment.get(q=QUERY, threshold="-1")[1])) == 4


def test_an_update_and_a_deletion_show_with_the_next_manifest(deployment: Deployment) -> None:
    assert "comic:2-001" in ids(deployment.get(q=QUERY)[1])
    changes = {"comic:2": ("w20 w21", None), "hero:1": ("", None)}
    deployment.commit(changes, origin="run2/page/0", seq=2)
    _, body, _ = deployment.get(q=QUERY, k="50")
    snippets = {result["id"]: result["snippet"] for result in body["results"]}
    assert snippets["comic:2-001"] == "w20 w21"
    assert "hero:1-001" not in snippets
    assert len(snippets) == 3
    assert body["index"] == {"version": 2, "shards": 2}


def test_direct_invocation_gets_the_same_body(deployment: Deployment) -> None:
    payload = {"q": QUERY, "k": 3, "mode": "hybrid", "filters": {"entity": ["comic", "hero"]}}
    direct = deployment.invoke(payload)
    _, body, _ = deployment.get(q=QUERY, k="3", mode="hybrid", filter__entity="comic,hero")
    assert {**direct, "timing_ms": None} == {**body, "timing_ms": None}
    assert json.loads(json.dumps(direct)) == direct


def test_direct_invocation_gets_errors_as_data(deployment: Deployment) -> None:
    error = deployment.invoke({"q": "x", "corpus": "nowhere"})["error"]
    assert error == {
        "code": "NOT_FOUND",
        "message": "there is no corpus named 'nowhere'",
        "status": 404,
    }
    assert deployment.invoke("text")["error"]["status"] == 400
    assert deployment.invoke({"q": "x" * 1001})["error"]["code"] == "TEXT_TOO_LONG"


def test_a_corpus_without_an_index_is_not_found(deployment: Deployment) -> None:
    status, body, content_type = deployment.get(q="x", corpus="empty")
    assert (status, content_type) == (404, PROBLEM)
    assert body["error"] == {
        "code": "NOT_FOUND",
        "message": "corpus empty has no index yet; run an ingest of it first",
    }
    assert body["request_id"] == "request-1"


@pytest.mark.parametrize(
    "change", [{"id": "another"}, {"revision": "another"}], ids=["model", "revision"]
)
def test_an_index_of_another_model_is_a_mismatch(
    deployment: Deployment, change: dict[str, str]
) -> None:
    present = deployment.encoder.identity
    other = ModelIdentity.model_validate({**present.model_dump(), **change})
    deployment.commit({"hero:1": ("w1", None)}, origin="o", seq=1, corpus="other", model=other)
    status, body, content_type = deployment.get(q="x", corpus="other")
    assert (status, content_type, body["error"]["code"]) == (409, PROBLEM, "DIMENSION_MISMATCH")
    assert "another" in body["detail"]
    assert present.revision in body["detail"]


def test_a_corpus_is_asked_with_its_own_model(
    deployment: Deployment, model_folder: ModelFolder, tmp_path: Path
) -> None:
    own = deployment.add_model("large", model_folder(seed=8), tmp_path / "large")
    deployment.corpora.models["other"] = "large"
    deployment.commit(TEXTS, origin="o", seq=1, corpus="other", encoder=own)
    for corpus, encoder in (("other", own), ("demo", deployment.encoder)):
        status, body, _ = deployment.get(q=QUERY, corpus=corpus, k="1", mode="dense")
        assert (status, body["model"]) == (200, encoder.identity.model_dump())
        assert (body["results"][0]["id"], body["results"][0]["similarity"]) == ("comic:2-001", 1.0)


def test_a_model_that_is_not_deployed_is_the_operators_business(deployment: Deployment) -> None:
    deployment.corpora.models["demo"] = "absent"
    status, body, _ = deployment.get(q=QUERY)
    assert (status, "absent" in str(body)) == (500, False)
    with pytest.raises(SettingsError, match=r"corpus demo names the model absent.*: tiny"):
        deployment.retriever.retrieve(RetrieveRequest(q=QUERY))


def test_what_is_not_there_is_a_problem_too(deployment: Deployment) -> None:
    status, body, content_type = deployment.get("/nowhere")
    assert (status, content_type, body["error"]["code"]) == (404, PROBLEM, "NOT_FOUND")
    status, body, content_type = deployment.get(q=" ")
    assert (status, content_type, body["error"]["code"]) == (400, PROBLEM, "INVALID_INPUT")


def _damage_manifest(deployment: Deployment) -> None:
    deployment.store.put(manifest_key("demo", deployment.encoder.identity), b"{")


def _lose_a_shard(deployment: Deployment, suffix: str) -> str:
    """Delete one file of one shard, and return which shard."""
    keys = [found.key for found in deployment.store.list("indexes/demo/")]
    lost = [key for key in keys if key.endswith(suffix)][-1]
    deployment.store.delete(lost)
    return PurePosixPath(lost).stem


def _lose_the_model(deployment: Deployment) -> None:
    for found in list(deployment.store.list("models/")):
        deployment.store.delete(found.key)


def _damage_the_model(deployment: Deployment) -> None:
    deployment.store.put(f"{deployment.prefix}model.json", b"{}")


@pytest.mark.parametrize("damage", [_damage_manifest, _lose_the_model, _damage_the_model])
def test_a_damaged_deployment_answers_500_and_shows_nothing(
    make_deployment: Callable[[], Deployment], damage: Callable[[Deployment], None]
) -> None:
    deployment = make_deployment()
    deployment.commit({"hero:1": ("w1", None)}, origin="o", seq=1)
    damage(deployment)
    status, body, content_type = deployment.get(q="x")
    assert (status, content_type) == (500, PROBLEM)
    assert body["error"]["code"] == "INTERNAL"
    assert "models/" not in str(body)
    assert "indexes/" not in str(body)


@pytest.mark.parametrize("suffix", [".npz", ".hnsw", ".sqlite"])
def test_a_lost_shard_is_named_with_what_takes_it_out(
    make_deployment: Callable[[], Deployment], suffix: str
) -> None:
    deployment = make_deployment()
    # Files of equal bytes are fetched once: of equal texts, a lost graph could come from the other.
    deployment.commit({"hero:1": ("w1", None)}, origin="o", seq=1)
    deployment.commit({"hero:2": ("w2", None)}, origin="p", seq=1)
    lost = _lose_a_shard(deployment, suffix)
    status, body, content_type = deployment.get(q="w1")
    assert (status, content_type) == (503, PROBLEM)
    assert body["error"]["code"] == "DAMAGED_INDEX"
    assert f"`ultron index mark-bad --corpus demo --shard {lost}`" in body["detail"]
    assert "indexes/" not in str(body)
    status, body, _ = deployment.get(q="w1", partial="true")
    if suffix == ".npz":  # what it replaced or deleted is not known
        assert (status, body["error"]["code"]) == (503, "DAMAGED_INDEX")
    else:
        assert (status, body["partial"], body["index"]["damaged_shards"]) == (200, True, 1)
        assert len(body["results"]) == 1


def test_a_damaged_new_manifest_leaves_the_last_index_serving(deployment: Deployment) -> None:
    before = deployment.get(q=QUERY)[1]
    _damage_manifest(deployment)
    status, body, _ = deployment.get(q=QUERY)
    assert (status, ids(body), body["index"]) == (200, ids(before), before["index"])


def test_no_query_reaches_the_log(deployment: Deployment, everything_logged: io.StringIO) -> None:
    secret = "w1 swordfish"
    for parameters in ({"q": secret}, {"q": secret, "k": "0"}, {"q": "x", secret: "y"}):
        deployment.get(**parameters)
        deployment.invoke({**parameters, "filters": {"id": secret}})
    _damage_manifest(deployment)
    deployment.restart()
    deployment.get(q=secret)
    for logged in ("retrieved", "refused", "CORRUPT_OBJECT", f'"query_characters":{len(secret)}'):
        assert logged in everything_logged.getvalue()
    assert "swordfish" not in everything_logged.getvalue()


def test_health_asks_nothing_of_the_deployment(deployment: Deployment) -> None:
    _lose_the_model(deployment)
    assert deployment.get("/health") == (200, {"status": "ok"}, "application/json")


def test_recall_is_measured_through_the_real_encoder(deployment: Deployment) -> None:
    answer = deployment.send({"recall": {"corpus": "demo", "samples": 3, "k": 2}})
    assert set(answer.pop("milliseconds")) == {"live_p50", "exact_p50"}
    assert answer == {
        "corpus": "demo", "samples": 3, "k": 2, "recall": 1.0, "recall_worst": 1.0, "version": 1,
    }  # fmt: skip
    assert deployment.send({"recall": {}})["samples"] == len(TEXTS)


@pytest.mark.parametrize(
    ("payload", "status", "mention"),
    [
        ({"samples": 0}, 400, "samples: "),
        ({"samples": 501}, 400, "samples: "),
        ({"k": 0}, 400, "k: "),
        ({"k": 101}, 400, "k: "),
        ({"seed": -1}, 400, "seed: "),
        ({"seed": 2**32}, 400, "seed: "),
        ({"size": 1}, 400, "size: unknown"),
        ("demo", 400, "recall: must be a JSON object"),
        ({"corpus": "nowhere"}, 404, "there is no corpus"),
        ({"corpus": "empty"}, 404, "corpus empty has no index"),
    ],
)
def test_a_bad_question_for_recall_is_refused(
    deployment: Deployment, payload: object, status: int, mention: str
) -> None:
    error = deployment.send({"recall": payload})["error"]
    assert error["status"] == status
    assert error["message"].startswith(mention)


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_names_with_marks_in_them_are_found(deployment: Deployment, mode: str) -> None:
    names = {"hero:9": ("Mar-Vell of the Kree", None), "hero:10": ("X-23, a clone", None)}
    deployment.commit(names, origin="run/page/9", seq=9)
    for q, key in (("Mar-Vell", "hero:9"), ("mar vell?", "hero:9"), ("X-23", "hero:10")):
        assert ids(deployment.get(q=q, mode=mode, k="1")[1]) == [f"{key}-001"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(min_size=1, max_size=40) | st.text('"*^()+-:{}NEARO \0\ud800', min_size=1))
@example('"')
@example("NEAR(w1 w2)")
@example("w1* OR ^w2 AND NOT -w3")
@example("a\0b")
@example("w1 \ud800")
def test_no_text_is_a_server_error(deployment: Deployment, text: str) -> None:
    for mode in ("lexical", "hybrid"):
        assert deployment.get(q=text, mode=mode)[0] in {200, 400}
        answer = deployment.invoke({"q": text, "mode": mode})
        assert answer.get("error", {}).get("status", 400) == 400
