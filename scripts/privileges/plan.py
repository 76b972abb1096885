"""A real plan of terraform/ with all that is optional, made against a local AWS that is empty."""

import json
from pathlib import Path
from typing import Any

from scripts.demo.deployment import ROOT, deployment_on, local_servers
from scripts.demo.stack import plan_document, running
from scripts.demo.variables import local_variables

FIXTURES = ROOT / "terraform" / "tests" / "fixtures"
SECRET_NAME = "tickets"  # noqa: S105 - a name
# What a production would set, as far as permissions depend on it.
CHANGES: dict[str, Any] = {
    "enable_vpc": True,
    "tracing_enabled": True,
    "schedule_enabled": True,
    "maintenance_schedule_enabled": True,
    "architecture": "arm64",
    "corpora": {
        "marvel": {"source": {"kind": "marvel", "base_url": "https://gateway.example.com"}},
        "docs": {"source": {"kind": "jsonl", "prefix": "sources/docs/"}},
    },
}


def make_plan(directory: Path) -> dict[str, Any]:
    """The plan as `terraform show -json` prints it; `directory` (absolute) is for its files.

    Raises:
        StackError, LocalProcessError, TerraformError: it cannot be made.
    """
    # Nothing is fetched from the gateway: only its address is part of the plan.
    servers = local_servers(directory)
    with running(servers[:1]) as [local_aws]:
        deployment = deployment_on(servers._replace(local_aws=local_aws), directory)
        variables = local_variables(
            deployment, FIXTURES / "bundles", FIXTURES / "model", CHANGES | {"endpoint_url": None}
        )
        document: dict[str, Any] = json.loads(plan_document(deployment, variables))
    return document
