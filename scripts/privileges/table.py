"""The table of role by resource that the tests keep: to be read, compared and taken apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.privileges.statements import (
    Plan,
    Statement,
    managed_policies,
    resource_statements,
    role_statements,
)

EXPECTED = Path(__file__).resolve().parents[2] / "tests/integration/privileges/expected.txt"
_HEADER = """\
# What each role may do, and what each resource's own policy says, in a plan with all that is
# optional switched on. `python -m scripts.privileges` rewrites this file.
"""


class Permission(NamedTuple):
    """An action of a statement of a role."""

    role: str
    sid: str
    action: str


def render(plan: Plan) -> str:
    """The table of a plan: a line for each action, then one for each resource and condition."""
    lines = ["", "[roles]"]
    for statement in role_statements(plan):
        lines += _lines(statement)
    lines += ["", "[policies of AWS's own]"]
    lines += [f"{role}  {arn.partition('::aws:')[2]}" for role, arn in managed_policies(plan)]
    lines += ["", "[resources]"]
    for statement in resource_statements(plan):
        lines += _lines(statement)
    return _HEADER + "\n".join(lines) + "\n"


def permissions(table: str) -> list[Permission]:
    """The actions of the roles, read back from the table."""
    roles = table.partition("[roles]\n")[2].partition("\n\n")[0]
    found = []
    for line in roles.splitlines():
        if not line.startswith(" "):
            role, sid, _, actions = line.split()
            found += [Permission(role, sid, action) for action in actions.split(",")]
    return found


def _lines(statement: Statement) -> Iterator[str]:
    head = [statement.holder, statement.sid, statement.effect.lower(), ",".join(statement.actions)]
    yield "  ".join([*head, *([statement.principal] if statement.principal else [])])
    yield from (f"    on {resource}" for resource in sorted(statement.resources))
    for operator, keys in sorted(statement.condition.items()):
        for key, values in sorted(keys.items()):
            yield f"    if {operator} {key}: {', '.join(sorted(values))}"
