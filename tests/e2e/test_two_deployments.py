"""Two deployments in one account and region: neither knows of the other."""

import json
from dataclasses import replace
from functools import partial

import pytest

from scripts.demo.deployment import Deployment
from scripts.demo.stack import LiveStack, build, deploy, destroy
from scripts.demo.variables import local_variables
from shared.models.run import RunProgress
from tests.e2e.conftest import make_client
from tests.e2e.leftovers import leftovers
from tests.e2e.stack import Stack

NAME_PREFIX = "neighbour"
NOTE = {"id": "1", "title": "The neighbour", "text": "The neighbour grows tall sunflowers."}


def deployed_beside(stack: Stack) -> Stack:
    """A second deployment on the local AWS of the first, of one corpus and without alarms."""
    former = stack.deployment
    directory = former.directory / NAME_PREFIX
    deployment: Deployment = replace(former, directory=directory, name_prefix=NAME_PREFIX)
    built = build(former.root)
    variables = local_variables(
        deployment,
        built.bundle_directory,
        built.model_directory,
        {
            "corpora": {"notes": {"source": {"kind": "jsonl", "prefix": "sources/notes/"}}},
            "alarms_enabled": False,
        },
    )
    outputs = deploy(deployment, variables)
    return replace(
        stack,
        deployment=deployment,
        outputs=outputs.model_dump(),
        api_url=LiveStack(deployment, outputs).api_url,
    )


@pytest.mark.needs_own_process("second_deployment")
def test_one_goes_and_the_other_still_answers(stack: Stack, marvel_run: RunProgress) -> None:
    client = partial(make_client, stack.deployment)
    answered = stack.retrieve("Ultron", corpus="marvel").body["results"]
    before = sorted(leftovers(client, stack.deployment.name_prefix))

    other = deployed_beside(stack)
    try:
        other.store.put("sources/notes/1.jsonl", json.dumps(NOTE).encode())
        assert other.ingest("notes", "full").run.status == "succeeded"
        [found] = other.retrieve("sunflowers").body["results"]
        assert found["meta"]["title"] == NOTE["title"]
        assert other.retrieve("Ultron", corpus="marvel").status == 404
        assert stack.retrieve("Ultron", corpus="marvel").body["results"] == answered
    finally:
        destroy(other.deployment, "-refresh=false")  # quicker, and nothing changed it

    assert list(leftovers(client, NAME_PREFIX)) == []
    assert sorted(leftovers(client, stack.deployment.name_prefix)) == before
    assert stack.retrieve("Ultron", corpus="marvel").body["results"] == answered
    assert stack.ingest("marvel").run.status == "succeeded"
