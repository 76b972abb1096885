"""Least privilege as a real plan has it: the expected table, and what it must never hold."""

import re
from collections import Counter
from typing import Any

import pytest

from scripts.demo.deployment import ROOT
from scripts.privileges.plan import make_plan
from scripts.privileges.statements import (
    Statement,
    managed_policies,
    resource_statements,
    resources_of,
    role_statements,
    trusted_services,
)
from scripts.privileges.table import EXPECTED, permissions, render

STAGE_OF = {"fetch": "page", "derive": "derive", "chunker": "chunk", "embedder": "embed",
            "indexer": "index", "compactor": "compact"}  # fmt: skip
# To find out of which models there are indexes, they list above the manifests that they read.
LISTED_BESIDES = {"ultron-ingest": {"s3:indexes/*"}, "ultron-indexer": {"s3:indexes/*"}}
SECRET_READERS = {"ultron-ingest", "ultron-fetch"}
SHARED_KEYS = {"CORPUS#*", "RUN#*"}


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return make_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="session")
def roles(plan: dict[str, Any]) -> list[Statement]:
    return role_statements(plan)


def granted(statements: list[Statement], action: str) -> dict[str, set[str]]:
    """On what each role may do an action."""
    found: dict[str, set[str]] = {}
    for statement in statements:
        if action in statement.actions:
            found.setdefault(statement.holder, set()).update(statement.resources)
    return found


def documented(column: str) -> dict[str, set[str]]:
    """The prefixes or queues that docs/why/architecture.md names in a column, by role."""
    text = (ROOT / "docs/why/architecture.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    header = next(row for row in rows if row[0] == "function")
    functions = rows[rows.index(header) + 2 :][:9]
    position = header.index(column)
    return {
        "ultron-" + row[0].strip("`"): {
            name.replace("…", "*") for name in re.findall(r"`([^`]+)`", row[position])
        }
        for row in functions
    }


def prefixes(patterns: set[str]) -> set[str]:
    """Patterns of keys as the documents write them: a folder with a slash at its end."""
    return {
        re.sub(r"^(models/).*", r"\1*", p.removeprefix("s3:")).removesuffix("*") for p in patterns
    }


def test_the_table_is_the_expected_one(plan: dict[str, Any]) -> None:
    assert render(plan) == EXPECTED.read_text(encoding="utf-8"), (
        "the plan grants something else than expected.txt says:"
        " `python -m scripts.privileges` rewrites it; read the difference"
    )


def test_the_table_names_every_action_of_every_role(roles: list[Statement]) -> None:
    read_back = permissions(EXPECTED.read_text(encoding="utf-8"))
    wanted = [(s.holder, s.sid, action) for s in roles for action in s.actions]
    assert sorted(read_back) == sorted(wanted)
    assert max(Counter(read_back).values()) == 1


def test_each_function_has_a_role_of_its_own(plan: dict[str, Any]) -> None:
    functions = [
        one["values"]["function_name"] for one in resources_of(plan, "aws_lambda_function")
    ]
    trusted = trusted_services(plan)
    assert len(functions) == len(set(functions)) == 9
    assert {trusted[name] == {"Service:lambda.amazonaws.com"} for name in functions} == {True}
    assert set(trusted) == set(functions)


def test_roles_allow_no_wildcard_and_only_themselves_logs(roles: list[Statement]) -> None:
    for statement in roles:
        assert statement.effect == "Allow"
        assert not [action for action in statement.actions if "*" in action], statement
        assert not set(statement.resources) & {"*", "s3:*"}, statement
        if statement.sid == "WriteOwnLog":
            assert statement.actions == ("logs:CreateLogStream", "logs:PutLogEvents")
            assert statement.resources == (f"logs:/aws/lambda/{statement.holder}:*",)


@pytest.mark.parametrize(
    ("column", "action"), [("reads", "s3:GetObject"), ("writes", "s3:PutObject")]
)
def test_prefixes_are_those_of_the_architecture(
    roles: list[Statement], column: str, action: str
) -> None:
    allowed = granted(roles, action)
    for role, named in documented(column).items():
        keys = {name for name in named if name.endswith("/") or "." in name}
        assert prefixes(allowed.get(role, set())) == keys, (role, column)


def test_each_stage_consumes_its_own_queue_and_no_other(roles: list[Statement]) -> None:
    wanted = {f"ultron-{name}": {f"sqs:ultron-{queue}-jobs"} for name, queue in STAGE_OF.items()}
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"):
        assert granted(roles, action) == wanted
    # Whether anything can move a run, the planner sees by the messages of all stages.
    counts = granted(roles, "sqs:GetQueueAttributes")
    assert counts.pop("ultron-ingest") == set().union(*wanted.values())
    assert counts == wanted


def test_messages_go_to_the_queues_of_the_architecture(roles: list[Statement]) -> None:
    # Any stage may end a run, which then asks for its sweep.
    asks_for_maintenance = {f"ultron-{name}" for name in ("ingest", *STAGE_OF)}
    for role, named in documented("publishes").items():
        wanted = {f"sqs:ultron-{queue}" for queue in named if queue.endswith("-jobs")}
        wanted |= {"sqs:ultron-compact-jobs"} if role in asks_for_maintenance else set()
        wanted |= {"sqs:ultron-ingest-dlq"} if role == "ultron-ingest" else set()
        assert granted(roles, "sqs:SendMessage").get(role, set()) == wanted


def test_secrets_are_for_those_that_call_sources(roles: list[Statement]) -> None:
    readers = granted(roles, "secretsmanager:GetSecretValue")
    assert readers == {role: {"secretsmanager:ultron/sources/*"} for role in SECRET_READERS}


def test_items_have_keys_of_their_owner(roles: list[Statement]) -> None:
    for statement in roles:
        if statement.sid != "UseItems":
            continue
        name = statement.holder.removeprefix("ultron-")
        [(operator, keys)] = statement.condition.items()
        assert operator == "ForAllValues:StringLike"
        kinds = set(keys["dynamodb:LeadingKeys"])
        failures = {kind for kind in kinds if kind.startswith("DLQ#")}
        assert failures == ({f"DLQ#{name}"} if name in STAGE_OF else set())
        if name == "orchestrator":
            assert not kinds & SHARED_KEYS, "chats know nothing of runs"
        else:
            assert kinds >= SHARED_KEYS
            assert not [
                kind for kind in kinds if kind.startswith(("CHECKPOINT", "WRITES", "CHUNK"))
            ]


def test_who_may_list_may_list_only_what_it_reads(roles: list[Statement]) -> None:
    reads = granted(roles, "s3:GetObject")
    listed = {s.holder: s.condition for s in roles if s.actions == ("s3:ListBucket",)}
    assert set(listed) == set(reads)
    for role, condition in listed.items():
        assert set(condition) == {"StringLike"}, "a list that names no prefix is refused"
        allowed = {f"s3:{prefix}" for prefix in condition["StringLike"]["s3:prefix"]}
        assert allowed == reads[role] | LISTED_BESIDES.get(role, set())


def test_the_endpoints_of_the_network_let_through_all_that_functions_in_it_may_do(
    plan: dict[str, Any], roles: list[Statement]
) -> None:
    inside = {
        role
        for role, arn in managed_policies(plan)
        if arn.endswith("AWSLambdaVPCAccessExecutionRole")
    }
    let_through = {
        action
        for statement in resource_statements(plan)
        if statement.sid == "OnlyWhatIsOurs"
        for action in statement.actions
    }
    used = {action for s in roles if s.holder in inside for action in s.actions}
    assert {action for action in used if action.startswith(("s3:", "dynamodb:"))} == let_through


def test_queues_and_bucket_refuse_plain_http_and_trust_only_the_schedule(
    plan: dict[str, Any],
) -> None:
    statements = resource_statements(plan)
    refusing = {s.holder for s in statements if s.sid == "RefusePlainHttp" and s.effect == "Deny"}
    queues = {one["values"]["name"] for one in resources_of(plan, "aws_sqs_queue")}
    assert refusing == queues | {"aws_s3_bucket_policy"}
    trusting = {
        s.holder: s for s in statements if s.effect == "Allow" and s.sid != "OnlyWhatIsOurs"
    }
    assert set(trusting) == {"ultron-compact-jobs", "ultron-ingest-dlq"}
    for statement in trusting.values():
        assert statement.principal == "Service:events.amazonaws.com"
        assert statement.actions == ("sqs:SendMessage",)
        for rule in statement.condition["ArnLike"]["aws:SourceArn"]:
            assert ":rule/ultron-" in rule


def test_functions_are_invoked_by_the_schedule_and_the_api_of_this_deployment_only(
    plan: dict[str, Any],
) -> None:
    allowed = Counter()  # type: Counter[tuple[str, str]]
    for resource in resources_of(plan, "aws_lambda_permission"):
        values = resource["values"]
        assert values["action"] == "lambda:InvokeFunction"
        allowed[values["function_name"], values["principal"]] += 1
        # Of an API the plan cannot know the id yet; terraform test has that.
        if values["principal"] == "events.amazonaws.com":
            assert ":rule/ultron-" in values["source_arn"]
    assert set(allowed) == {
        ("ultron-ingest", "events.amazonaws.com"),
        ("ultron-retrieve", "apigateway.amazonaws.com"),
        ("ultron-orchestrator", "apigateway.amazonaws.com"),
    }
