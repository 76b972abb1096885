"""What Terraform promises after an apply."""

from scripts.demo.stack import planned_changes
from shared.models.run import RunProgress
from tests.e2e.stack import Stack


def test_a_second_plan_changes_nothing(stack: Stack, marvel_run: RunProgress) -> None:
    assert planned_changes(stack.deployment) == []
