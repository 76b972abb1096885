"""Start, stop or look at the local AWS: `python -m scripts.local_aws start|stop|status`."""

import argparse
import os
import sys
from pathlib import Path

from scripts.local_aws.server import DEFAULT_PORT, PORT_VARIABLE, local_aws
from scripts.processes.errors import LocalProcessError
from scripts.processes.process import ensure_running
from shared.platform.command_line import complain, run_command

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DIRECTORY = ROOT / ".local" / "demo" / "aws"
NOT_RUNNING_STATUS = 3


def main(arguments: list[str] | None = None) -> int:
    """Do the named thing; 0 done, 1 failed, 3 (status, stop) when it does not run."""
    parser = argparse.ArgumentParser(prog="python -m scripts.local_aws", description=__doc__)
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get(PORT_VARIABLE) or None,
        help=f"without it {DEFAULT_PORT}, or another where that is taken",
    )
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY)
    parser.add_argument(
        "--enforce-policies", action="store_true", help="check IAM policies of functions"
    )
    options = parser.parse_args(arguments)
    try:
        server = local_aws(
            ROOT,
            options.directory.resolve(),
            options.port or DEFAULT_PORT,
            is_port_fixed=options.port is not None,
            enforce_policies=options.enforce_policies,
        )
        if options.action == "start":
            running = ensure_running(server)
            verb = "started" if running.is_new else "runs already"
            at = running.server.url
            print(f"The local AWS {verb} at {at} (pid {server.running_pid()}).")
            return 0
        if options.action == "stop":
            was_running = server.stop()
            server.remove_files()
            print("The local AWS was stopped." if was_running else "The local AWS was not running.")
            return 0 if was_running else NOT_RUNNING_STATUS
    except LocalProcessError as error:
        complain(error)
        return 1
    pid, url = server.running_pid(), server.where_last_started().url
    print("The local AWS does not run." if pid is None else f"It runs at {url} (pid {pid}).")
    return NOT_RUNNING_STATUS if pid is None else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
