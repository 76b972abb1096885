"""The `ultron` command as a wheel installs it.

In a wheel the code lies in `code`, beside this file, so that the wheel takes no name at the top
but `ultron`: `shared` and `services` are names that other projects use too. In a checkout it lies
where it is.
"""

import sys
from pathlib import Path

_CODE = Path(__file__).parent / "code"


def main() -> int:
    """Run the command; returns the exit status."""
    if _CODE.is_dir():
        sys.path.insert(0, str(_CODE))
    # Not above: where the code lies is known only now.
    from services.cli.main import main as command

    return command()
