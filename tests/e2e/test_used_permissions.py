"""Every permission that the local AWS can check was used by its role in the course of the suite.

The name puts it last. Collected only where policies are enforced (`make e2e-auth`); conftest.py.
"""

import json
from typing import Any

import pytest

from scripts.local_aws.server import DECISIONS_NAME
from scripts.privileges.table import EXPECTED, Permission, permissions
from tests.e2e.stack import Stack
from tests.e2e.test_refusals import NOT_ENFORCED

# Allowed, and never asked for in the suite, each with what asks for it.
NEVER_ASKED_HERE: dict[Permission, str] = {}


def test_nothing_is_allowed_that_nobody_used(stack: Stack, request: pytest.FixtureRequest) -> None:
    if len({item.path.name for item in request.session.items}) < 10:
        pytest.fail("only the whole suite uses every permission: run `make e2e-auth`")
    path = stack.deployment.directory / "aws" / DECISIONS_NAME
    decisions: list[dict[str, Any]] = [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()
    ]
    used = {(d["role"], d["action"]) for d in decisions if d["is_allowed"]}
    unused = {
        permission
        for permission in permissions(EXPECTED.read_text(encoding="utf-8"))
        if permission.action not in NOT_ENFORCED
        and (permission.role, permission.action) not in used
    }
    assert unused == set(NEVER_ASKED_HERE)
