"""Rewrite the expected table from a plan: `python -m scripts.privileges`."""

import sys
import tempfile
from pathlib import Path

from scripts.demo.errors import StackError
from scripts.privileges.plan import make_plan
from scripts.privileges.table import EXPECTED, render
from scripts.processes.errors import LocalProcessError
from scripts.terraform_tooling import TerraformError
from shared.platform.command_line import complain, run_command


def main() -> int:
    """Plan, and write the table; returns the exit status."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            table = render(make_plan(Path(directory)))
    except (StackError, LocalProcessError, TerraformError) as error:
        complain(error)
        return 1
    changed = not EXPECTED.exists() or EXPECTED.read_text(encoding="utf-8") != table
    EXPECTED.write_text(table, encoding="utf-8")
    print(f"{EXPECTED.name} was {'rewritten: read the difference' if changed else 'right'}.")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
