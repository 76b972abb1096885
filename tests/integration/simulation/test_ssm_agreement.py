"""The SSM client in memory and a local AWS give the same answers and errors."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.integration.simulation.agreement import Call, disagreements, outcome
from tests.simulation.aws.ssm import MemorySSM

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

PATH = f"/agreement-{uuid.uuid4().hex[:12]}"
TAGS = [{"Key": "ManagedBy", "Value": "somebody"}]


def put(name: str, value: str = "value", **request: Any) -> Call:
    return "put_parameter", {"Name": f"{PATH}/{name}", "Value": value, **request}


def of(method: str, name: str) -> Call:
    return method, {"Name": f"{PATH}/{name}"}


def tags(name: str) -> Call:
    request = {"ResourceType": "Parameter", "ResourceId": f"{PATH}/{name}"}
    return "list_tags_for_resource", request


CALLS: list[Call] = [
    of("get_parameter", "a"),
    of("delete_parameter", "a"),
    put("a", Type="String", Tags=TAGS, Description="text"),
    of("get_parameter", "a"),
    put("a", "other", Type="String"),
    put("a", "other", Type="String", Overwrite=True),
    of("get_parameter", "a"),
    tags("a"),
    put("b", Type="String"),
    put("b/deep", Type="String"),
    tags("b"),
    ("get_parameters_by_path", {"Path": PATH}),
    ("get_parameters_by_path", {"Path": f"{PATH}/b"}),
    ("get_parameters_by_path", {"Path": f"{PATH}/none"}),
    of("delete_parameter", "a"),
    of("get_parameter", "a"),
    of("delete_parameter", "b"),
    of("delete_parameter", "b/deep"),
    ("get_parameters_by_path", {"Path": PATH}),
]


def shown(answer: Mapping[str, Any]) -> Any:
    found = [*answer.get("Parameters", []), answer.get("Parameter")]
    return {
        "version": answer.get("Version"),
        "tags": answer.get("TagList"),
        "found": sorted((p["Name"], p["Value"], p["Type"], p["Version"]) for p in found if p),
    }


def test_the_same_calls_have_the_same_outcomes(ssm_client: "SSMClient") -> None:
    memory = MemorySSM(partial(datetime, 2026, 3, 1, tzinfo=UTC))
    found = disagreements(
        CALLS, partial(outcome, memory, shown=shown), partial(outcome, ssm_client, shown=shown)
    )
    assert not found, "\n".join(found)
