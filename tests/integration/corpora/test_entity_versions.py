"""Versions of entities on a real table: they move forward only, many at a time."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.corpora.entity_versions import EntityVersions
from shared.models.entity import NO_CONTENT, EntityVersion
from shared.models.manifest import ModelIdentity
from tests.unit.embedder.remembered import RememberedVersions

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MODEL = ModelIdentity(id="tiny", revision="1", dims=3)
CORPUS = "shelf"


def version(seq: int, page: int = 0, checksum: str = "c") -> EntityVersion:
    return EntityVersion(seq, f"run-{seq}/p-{page}/0", checksum)


@pytest.fixture
def versions(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> EntityVersions:
    return EntityVersions(dynamodb_client, checkpoint_table)


def test_hundreds_are_written_and_read_at_once(versions: EntityVersions) -> None:
    found = {f"a:{n}": version(1, n) for n in range(250)}
    newer = {key: version(2) for key in list(found)[100:110]}
    versions.begin(CORPUS, MODEL, newer)
    assert versions.begin(CORPUS, MODEL, found) == set(newer)
    assert versions.read(CORPUS, MODEL, [*found, "a:unknown"]) == found | newer
    versions.forget(CORPUS, MODEL, [*found, *found, "a:unknown"])
    assert versions.read(CORPUS, MODEL, found) == {}


def test_indexes_of_other_corpora_and_models_are_their_own(versions: EntityVersions) -> None:
    versions.begin(CORPUS, MODEL, {"a:1": version(1)})
    other = ModelIdentity(id="tiny", revision="2", dims=3)
    assert versions.read("other", MODEL, ["a:1"]) == {}
    assert versions.read(CORPUS, other, ["a:1"]) == {}


def test_any_key_will_do(versions: EntityVersions) -> None:
    found = {key: version(1) for key in ("a:" + "ü" * 2000, "a:#\x00", "a: ", "b:1")}
    assert versions.begin(CORPUS, MODEL, found) == set()
    assert versions.read(CORPUS, MODEL, found) == found


def test_nothing_is_no_request(versions: EntityVersions) -> None:
    assert versions.read(CORPUS, MODEL, []) == {}
    assert versions.begin(CORPUS, MODEL, {}) == set()
    assert versions.confirm(CORPUS, MODEL, {}, (1, "run")) == set()


KEYS = ("a:1", "a:2", "a:3")
orders = st.tuples(st.integers(1, 3), st.integers(0, 2))
choices = st.sets(st.sampled_from(KEYS), min_size=1)
calls = st.one_of(
    st.tuples(st.just("begin"), choices, orders, st.sampled_from(["c", "d", NO_CONTENT])),
    st.tuples(st.just("confirm"), choices, orders, st.just("")),
    st.tuples(st.just("forget"), choices, orders, st.just("")),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(calls, max_size=12))
def test_the_table_keeps_the_rules_that_the_embedder_is_tested_against(
    versions: EntityVersions,
    script: list[tuple[str, set[str], tuple[int, int], str]],
) -> None:
    versions.forget(CORPUS, MODEL, KEYS)
    model = RememberedVersions()
    read: dict[str, EntityVersion] = {}
    for call, chosen, (seq, page), checksum in script:
        if call == "begin":
            begun = {key: version(seq, page, checksum) for key in sorted(chosen)}
            assert versions.begin(CORPUS, MODEL, begun) == model.begin(CORPUS, MODEL, begun)
        elif call == "forget":
            versions.forget(CORPUS, MODEL, chosen)
            for key in chosen:
                model.held.pop(key, None)
                model.seen.pop(key, None)
        else:
            relied = {key: read[key] for key in sorted(chosen) if key in read}
            order = version(seq, page).order
            expected = model.confirm(CORPUS, MODEL, relied, order)
            assert versions.confirm(CORPUS, MODEL, relied, order) == expected
            continue  # what was read before stays stale on purpose
        assert versions.read(CORPUS, MODEL, KEYS) == model.held
        if seq != 2:
            read = dict(model.held)


def test_all_versions_up_to_a_run_are_forgotten_at_once(versions: EntityVersions) -> None:
    corpus = "forgetful"
    begun = {"a:1": version(1, 0, "c"), "a:2": version(2, 0, "c"), "a:3": version(3, 0, "c")}
    versions.begin(corpus, MODEL, begun)
    versions.forget_until(corpus, 2)
    assert versions.read(corpus, MODEL, KEYS) == {"a:3": begun["a:3"]}
    versions.forget_until(corpus, 1)  # an older word changes nothing
    assert versions.read(corpus, MODEL, KEYS) == {"a:3": begun["a:3"]}
    # That a newer job has seen an entity is not forgotten: what is redriven late stays out.
    assert versions.begin(corpus, MODEL, {"a:2": version(1, 0, "old")}) == {"a:2"}
    again = {"a:2": version(4, 0, "c")}
    assert versions.begin(corpus, MODEL, again) == set()
    assert versions.read(corpus, MODEL, ["a:2"]) == again


def test_more_entities_than_are_read_at_once_are_forgotten_too(versions: EntityVersions) -> None:
    corpus = "large"
    keys = [f"a:{number}" for number in range(250)]
    versions.begin(corpus, MODEL, {key: version(1, 0, "c") for key in keys})
    assert len(versions.read(corpus, MODEL, keys)) == 250
    versions.forget_until(corpus, 1)
    assert versions.read(corpus, MODEL, keys) == {}
