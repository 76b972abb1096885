"""A real `terraform plan` of the example with every option on, against the local AWS."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.demo.deployment import ROOT, Deployment
from scripts.local_aws.account import ACCOUNT_ID
from scripts.processes.process import BackgroundServer
from scripts.terraform_tooling import run_terraform, terraform_command, terraform_environment
from tests.unit.docs.named_commands import named_commands

EXAMPLE = ROOT / "terraform" / "production.tfvars.example"
PLAN_OPTIONS = ("-no-color", "-lock=false")
IN_VPC = {"derive", "chunker", "embedder", "indexer", "compactor", "retrieve", "orchestrator"}
# What Lambda allows a function in a new account.
MOST_MEMORY_MB = 3008
Resource = dict[str, Any]


def resources_of(module: dict[str, Any]) -> Iterator[Resource]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from resources_of(child)


@pytest.fixture(scope="module")
def environment(
    local_aws: BackgroundServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What Terraform is run with: the local AWS, and data of its own."""
    directory = tmp_path_factory.mktemp("plan")
    deployment = Deployment(directory, local_aws.url, local_aws.url)
    variables = deployment.environment() | terraform_environment(ROOT)
    variables["TF_DATA_DIR"] = str(directory / "data")
    run_terraform(
        ["init", "-backend=false", "-no-color"], ROOT / "terraform", variables, capture=True
    )
    return variables


def arguments(**changes: str) -> list[str]:
    """What differs from the example on this machine: account, endpoint and what was built."""
    built = {
        "expected_account_id": ACCOUNT_ID,
        "bundle_directory": "tests/fixtures/bundles",
        "model_directory": "tests/fixtures/model",
        "additional_model_directories": json.dumps(["tests/fixtures/other-model"]),
    }
    chosen = built | changes
    return [f"-var={name}={value}" for name, value in chosen.items()]


@pytest.fixture(scope="module")
def plan(
    environment: dict[str, str],
    local_aws: BackgroundServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Resource:
    """The plan, as `terraform show -json` tells it."""
    folder = tmp_path_factory.mktemp("planned")
    example = folder / "terraform.tfvars"
    # The example's second model is called otherwise than that of the fixtures.
    text = EXAMPLE.read_text(encoding="utf-8")
    example.write_text(text.replace('"all-MiniLM-L6-v2"\n', '"other-model"\n'), encoding="utf-8")
    path = folder / "plan"
    options = [f"-var-file={example}", *arguments(endpoint_url=local_aws.url)]
    run_terraform(
        ["plan", *PLAN_OPTIONS, f"-state={folder / 'state'}", f"-out={path}", *options],
        ROOT / "terraform", environment, capture=True,
    )  # fmt: skip
    shown = run_terraform(
        ["show", "-json", str(path)], ROOT / "terraform", environment, capture=True
    )
    document: Resource = json.loads(shown)
    return document


def planned(plan: Resource, kind: str) -> list[Resource]:
    """The values of all planned resources of a kind."""
    root = plan["planned_values"]["root_module"]
    return [found["values"] for found in resources_of(root) if found["type"] == kind]


def test_everything_is_made_and_nothing_changed_or_destroyed(plan: Resource) -> None:
    actions = Counter(
        tuple(change["change"]["actions"])
        for change in plan["resource_changes"]
        if change["mode"] == "managed"
    )
    assert set(actions) == {("create",)}
    assert actions["create",] > 150
    assert plan["errored"] is False


def test_each_option_is_in_the_plan(plan: Resource) -> None:
    functions = {
        found["function_name"].removeprefix("ultron-production-"): found
        for found in planned(plan, "aws_lambda_function")
    }
    assert {name for name, found in functions.items() if found["vpc_config"]} == IN_VPC
    [snap_start] = functions["retrieve"]["snap_start"]
    assert snap_start["apply_on"] == "PublishedVersions"
    reserved = {
        name: found["reserved_concurrent_executions"]
        for name, found in functions.items()
        if found["reserved_concurrent_executions"] != -1
    }
    assert reserved == {"retrieve": 40, "orchestrator": 20}
    assert max(found["memory_size"] for found in functions.values()) == MOST_MEMORY_MB
    assert {found["architectures"][0] for found in functions.values()} == {"arm64"}
    assert len({subnet["availability_zone"] for subnet in planned(plan, "aws_subnet")}) == 3
    alarms = planned(plan, "aws_cloudwatch_metric_alarm")
    assert len(alarms) > 30
    # The second topic is that of the e-mails, which has an ARN only when it exists.
    assert all("alarm_actions" not in found for found in alarms)
    [subscription] = planned(plan, "aws_sns_topic_subscription")
    assert subscription["endpoint"] == "search-team@example.com"
    [budget] = planned(plan, "aws_budgets_budget")
    assert budget["limit_amount"] == "400"
    assert len(planned(plan, "aws_cloudwatch_dashboard")) == 1
    names = {found["name"] for found in planned(plan, "aws_ssm_parameter")}
    parameters = {name.rsplit("/", 1)[1] for name in names if "/corpora/" in name}
    assert parameters == {"handbook", "tickets", "wiki", "site", "marvel", "marvel-archive"}
    assert {found["name"] for found in planned(plan, "aws_secretsmanager_secret")} == {
        "ultron-production/sources/tickets", "ultron-production/sources/marvel",
    }  # fmt: skip
    assert {found["retention_in_days"] for found in planned(plan, "aws_cloudwatch_log_group")} == {
        365
    }


def test_data_is_kept_by_default(plan: Resource) -> None:
    [bucket], [table] = planned(plan, "aws_s3_bucket"), planned(plan, "aws_dynamodb_table")
    assert (bucket["bucket"], bucket["force_destroy"]) == ("example-ultron-production", False)
    assert (table["name"], table["deletion_protection_enabled"]) == (
        "ultron-production-state",
        True,
    )


def test_each_resource_that_a_page_replaces_is_planned(plan: Resource) -> None:
    addresses = {change["address"] for change in plan["resource_changes"]}
    named = {
        word.removeprefix("-replace=")
        for page in (ROOT / "docs").rglob("*.md")
        for command in named_commands(page.read_text(encoding="utf-8"))
        for word in command.words
        if word.startswith("-replace=")
    }
    assert named
    assert named <= addresses


def test_another_account_plans_nothing(
    environment: dict[str, str], local_aws: BackgroundServer, tmp_path: Path
) -> None:
    changes = arguments(endpoint_url=local_aws.url, expected_account_id="999999999999")
    options = [f"-var-file={EXAMPLE}", *changes]
    done = subprocess.run(
        [terraform_command(), "plan", *PLAN_OPTIONS, f"-state={tmp_path / 'state'}", *options],
        cwd=ROOT / "terraform", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"AWS account ID not allowed: {ACCOUNT_ID}" in done.stderr
