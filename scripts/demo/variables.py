"""The Terraform variables of a deployment to a local AWS."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.demo.deployment import MARVEL_PRIVATE_KEY, MARVEL_PUBLIC_KEY, Deployment
from scripts.local_aws.account import ACCOUNT_ID, REGION

MARVEL_CORPUS = "marvel"
# Several pages an endpoint, so that the demo shows pages going down the line side by side.
PAGE_SIZE = 20


def local_variables(
    deployment: Deployment,
    bundle_directory: Path,
    model_directory: Path,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Variables for terraform/: the Marvel corpus at the local gateway; `changes` win over them.

    The functions run on the machine's own Python whatever `runtime` says, so that stays as on AWS.

    What only costs time or memory on a local AWS is left out: lifecycle rules (the provider waits a
    minute for them), X-Ray, the schedules, and more embedders at once than there are cores.
    """
    bundles = json.loads((bundle_directory / "bundles.json").read_text(encoding="utf-8"))
    return {
        "expected_account_id": ACCOUNT_ID,
        "region": REGION,
        "endpoint_url": deployment.functions_endpoint_url,
        "name_prefix": deployment.name_prefix,
        "bundle_directory": str(bundle_directory),
        "model_directory": str(model_directory),
        "architecture": bundles["architecture"],
        "function_settings": {"embedder": {"maximum_concurrency": 2}},
        "corpora": {
            MARVEL_CORPUS: {
                "source": {
                    "kind": "marvel",
                    "base_url": deployment.source_url,
                    "page_size": PAGE_SIZE,
                }
            }
        },
        # On this machine's own address, which no source may be called at otherwise.
        "outbound_allowed_hosts": [urlsplit(deployment.source_url).netloc],
        "marvel_public_key": MARVEL_PUBLIC_KEY,
        "marvel_private_key": MARVEL_PRIVATE_KEY,
        "api_key_value": deployment.api_key(),
        "secret_recovery_window_days": 0,
        "force_destroy": True,
        "deletion_protection_enabled": False,
        "lifecycle_rules": None,
        "schedule_enabled": False,
        "maintenance_schedule_enabled": False,
        "tracing_enabled": False,
        # No local AWS asks for the role. Without logs, MiniStack plans a change each time.
        "api_access_logs_enabled": True,
        **_of_the_target(deployment),
        **(changes or {}),
    }


def _of_the_target(deployment: Deployment) -> dict[str, Any]:
    """LocalStack refuses to delete the settings of a single method, so none has its own limits."""
    if deployment.target is None or deployment.target.kind != "LocalStack":
        return {}
    limits = {"rate_per_second": 50, "burst": 100}
    return {
        "api_throttle": {
            f"{part}_{name}": value for part in ("stage", "open") for name, value in limits.items()
        }
    }
