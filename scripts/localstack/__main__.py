"""LocalStack for the tests: `python -m scripts.localstack up|down` with Docker, `e2e` without.

`e2e` sets up localstack-host, runs the end-to-end suite on it and stops it; further arguments go to
pytest. Status 3 says that there is no localstack-host here.
"""

import argparse
import signal
import sys

from scripts.demo.deployment import port_setting
from scripts.demo.errors import StackError
from scripts.local_aws.process import LocalProcessError, free_port
from scripts.local_aws.server import DEFAULT_PORT, PORT_VARIABLE
from scripts.local_aws.target import TargetError
from scripts.localstack import container
from scripts.localstack.host import LocalStackHostMissingError, find_localstack_host, run_e2e

MISSING_STATUS = 3


def main(arguments: list[str] | None = None) -> int:
    """Do the named thing; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.localstack", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "e2e"))
    parser.add_argument("--port", type=int, help="of `e2e`; a free one unless given")
    options, further = parser.parse_known_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.action == "e2e":
            return run_e2e(find_localstack_host(), options.port or free_port(), further)
        if options.action == "down":
            container.down()
        else:
            target = container.up(port_setting(PORT_VARIABLE, DEFAULT_PORT))
            print(f"{target.title} runs; `make e2e ENDPOINT={target.endpoint_url}` tests on it.")
    except LocalStackHostMissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISSING_STATUS
    except (LocalProcessError, TargetError, StackError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
