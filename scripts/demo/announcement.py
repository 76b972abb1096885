"""Lets the `ultron` command find the demo without being told where it is."""

import os

from scripts.demo.deployment import Deployment
from scripts.local_aws.account import CREDENTIALS, REGION
from services.cli.deployment.brought_up import PLACE, BroughtUp


def announce(deployment: Deployment) -> None:
    """Make a deployed demo the one that was last brought up in its checkout."""
    document = deployment.root / PLACE
    BroughtUp(
        title="the demo",
        command="make demo",
        endpoint_url=deployment.endpoint_url,
        region=REGION,
        access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        outputs=os.path.relpath(deployment.outputs_path, document.parent),
    ).write(deployment.root)


def withdraw(deployment: Deployment) -> None:
    """Let nothing be found any more."""
    (deployment.root / PLACE).unlink(missing_ok=True)
