"""What must outlive an upgrade, and a change of model: every vector, and every answer.

The tests of this file go through one stack, in this order.
"""

import uuid
from pathlib import Path

import pytest

from scripts.demo.answers import RETRIEVE_QUERIES
from scripts.demo.errors import StackError
from scripts.demo.stack import destroy, planned_changes
from scripts.demo.variables import MARVEL_CORPUS
from tests.e2e.stack import wait_for
from tests.upgrade.conftest import BY_VECTOR, Upgrade, holdings, ranked_entities, ranking

INDEX = ("indexes/", "embeddings/")


def test_the_present_apply_loses_nothing(upgrade: Upgrade) -> None:
    after = holdings(upgrade.stack)
    assert upgrade.before.vectors > 200
    assert after.vectors == upgrade.before.vectors
    assert after.objects == upgrade.before.objects
    assert after.answers == upgrade.before.answers
    assert planned_changes(upgrade.deployment) == []


def test_runs_after_it_embed_nothing(upgrade: Upgrade) -> None:
    for mode in ("incremental", "full"):
        progress = upgrade.stack.ingest(MARVEL_CORPUS, mode)
        assert (progress.run.status, progress.run.mode) == ("succeeded", mode), progress.run.reason
        assert (progress.vectors, progress.entities_deleted) == (0, 0)
    after = holdings(upgrade.stack)
    assert after.under(*INDEX) == upgrade.before.under(*INDEX)
    assert after.answers == upgrade.before.answers


def test_readers_move_to_another_model_when_its_index_is_complete(
    upgrade: Upgrade, other_model: Path
) -> None:
    upgrade.apply([other_model, upgrade.built.model_directory])
    stack, [former] = upgrade.stack, upgrade.before.manifests
    assert holdings(stack).answers == upgrade.before.answers

    request = {"corpus": MARVEL_CORPUS, "mode": "incremental", "request_id": uuid.uuid4().hex}
    run_id = stack.invoke("ingest", request)["run_id"]
    query = RETRIEVE_QUERIES[0]
    asked_meanwhile = 0
    while not stack.runs.get_run(run_id).is_ended:
        answer = stack.retrieve(query, **BY_VECTOR).body
        found = ranked_entities(answer)
        assert answer["model"] != former.model.model_dump() or (
            found == upgrade.before.answers[query]
        )
        assert len(found) == 5
        asked_meanwhile += 1
    assert asked_meanwhile > 3
    progress = stack.runs.get_run(run_id)
    assert (progress.run.mode, progress.run.status) == ("full", "succeeded"), progress.run.reason
    assert progress.vectors == upgrade.before.vectors

    def moved() -> bool | None:
        return (stack.retrieve(query).body["model"]["id"] == other_model.name) or None

    wait_for(moved, "readers to move", 30)
    after = holdings(stack)
    assert {m.model.id: m.generation for m in after.manifests} == {
        former.model.id: 0,
        other_model.name: 1,
    }
    assert former in after.manifests
    assert after.vectors == 2 * upgrade.before.vectors
    for query, expected in upgrade.before.answers.items():
        assert ranking(stack, query)[0][0] == expected[0][0]


def test_the_former_model_can_be_taken_away_then(upgrade: Upgrade, other_model: Path) -> None:
    before = holdings(upgrade.stack)
    upgrade.apply([other_model])
    after = holdings(upgrade.stack)
    assert after.answers == before.answers
    assert after.under(*INDEX) == before.under(*INDEX)
    progress = upgrade.stack.ingest(MARVEL_CORPUS)
    assert (progress.run.mode, progress.vectors) == ("incremental", 0)


def test_what_is_to_be_kept_outlives_a_destroy(upgrade: Upgrade, other_model: Path) -> None:
    before = holdings(upgrade.stack)
    upgrade.apply([other_model], force_destroy=False, deletion_protection_enabled=True)
    with pytest.raises(StackError):
        destroy(upgrade.deployment)
    log = (upgrade.deployment.terraform_directory / "destroy.log").read_text(encoding="utf-8")
    assert "BucketNotEmpty" in log
    assert "deletion protection" in log.lower()
    assert upgrade.stack.lambdas.list_functions()["Functions"] == []

    upgrade.apply([other_model])
    after = holdings(upgrade.stack)
    assert (after.objects, after.answers) == (before.objects, before.answers)
    progress = upgrade.stack.ingest(MARVEL_CORPUS, "full")
    assert (progress.run.status, progress.vectors) == ("succeeded", 0), progress.run.reason
