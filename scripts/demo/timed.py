"""Run a command and say how long it took: `python -m scripts.demo.timed NAME -- COMMAND…`."""

import subprocess
import sys
import time

from shared.command_line import run_command


def main(arguments: list[str]) -> int:
    """Run the command after `--`; returns its exit status."""
    if len(arguments) < 3 or arguments[1] != "--":
        print(f"usage: {(__doc__ or '').splitlines()[0]}", file=sys.stderr)
        return 2
    name, command = arguments[0], arguments[2:]
    print(f"== {name}", flush=True)
    begun = time.monotonic()
    try:
        status = subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        status = 130
    seconds = time.monotonic() - begun
    verdict = "done" if status == 0 else f"FAILED (status {status})"
    print(f"== {name}: {verdict} in {seconds:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
