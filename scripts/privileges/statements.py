"""The policy statements of a plan, as `terraform show -json` prints it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.local_aws.account import REGION

Plan = Mapping[str, Any]
_PARTS_OF_ARN = 6


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: who holds it (a function or a resource), and what it says.

    `condition` has an operator and a key before the values; `principal` is empty for roles.
    """

    holder: str
    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, tuple[str, ...]]]
    principal: str = ""


def role_of(function: str) -> str:
    """The name of a function's role, which has the region of the local AWS in it."""
    return f"{function}-{REGION}"


def function_of(role: str) -> str:
    """The function that a role is of."""
    function = role.removesuffix(f"-{REGION}")
    if role_of(function) != role:
        raise ValueError(f"the role {role} has no region in its name")
    return function


def role_statements(plan: Plan) -> list[Statement]:
    """The statements of all roles of functions, by function and in the policies' order."""
    found: list[Statement] = []
    for resource in resources_of(plan, "aws_iam_role_policy"):
        values = resource["values"]
        found += _statements(function_of(values["role"]), values["policy"])
    return sorted(found, key=lambda statement: statement.holder)


def managed_policies(plan: Plan) -> list[tuple[str, str]]:
    """Each function with each policy of AWS's own that its role has."""
    attachments = resources_of(plan, "aws_iam_role_policy_attachment")
    return sorted(
        (function_of(one["values"]["role"]), one["values"]["policy_arn"]) for one in attachments
    )


def trusted_services(plan: Plan) -> dict[str, set[str]]:
    """Who may take on the role of each function."""
    found: dict[str, set[str]] = {}
    for resource in resources_of(plan, "aws_iam_role"):
        values = resource["values"]
        trust = _statements(values["name"], values["assume_role_policy"])
        found[function_of(values["name"])] = {statement.principal for statement in trust}
    return found


def resource_statements(plan: Plan) -> list[Statement]:
    """The statements of queues, of the bucket and of VPC endpoints, by their names."""
    found: list[Statement] = []
    for kind, name in (
        ("aws_sqs_queue", "name"),
        ("aws_s3_bucket_policy", "bucket"),
        ("aws_vpc_endpoint", "service_name"),
    ):
        for resource in resources_of(plan, kind):
            values = resource["values"]
            if values.get("policy"):
                found += _statements(values.get(name, kind), values["policy"])
    return sorted(found, key=lambda statement: statement.holder)


def resources_of(plan: Plan, kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield the planned resources of a type, of all modules."""
    pending = [plan["planned_values"]["root_module"]]
    while pending:
        module = pending.pop()
        pending += module.get("child_modules", [])
        yield from (one for one in module.get("resources", []) if one["type"] == kind)


def short_name(arn: str) -> str:
    """What an ARN names, without account and region: `s3:raw/*`, `sqs:ultron-page-jobs`."""
    parts = arn.split(":", _PARTS_OF_ARN - 1)
    if len(parts) < _PARTS_OF_ARN:
        return arn
    service, name = parts[2], parts[5]
    if service == "s3":
        return f"s3:{name.partition('/')[2] or '(bucket)'}"
    return (
        f"{service}:{re.sub(r'^(function|parameter|secret|table|log-group|rule)[:/]?', '', name)}"
    )


def _statements(holder: str, policy: str) -> Iterator[Statement]:
    for number, one in enumerate(json.loads(policy)["Statement"], start=1):
        yield Statement(
            holder=holder,
            sid=one.get("Sid", f"Statement{number}"),
            effect=one["Effect"],
            actions=_listed(one["Action"]),
            resources=tuple(map(short_name, _listed(one.get("Resource", [])))),
            condition={
                operator: {key: _listed(values) for key, values in keys.items()}
                for operator, keys in one.get("Condition", {}).items()
            },
            principal=",".join(
                f"{kind}:{value}"
                for kind, values in one.get("Principal", {}).items()
                for value in _listed(values)
            ),
        )


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
