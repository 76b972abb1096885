"""LocalStack for the tests: `python -m scripts.localstack up|down` with Docker, `e2e` without.

`e2e` sets up localstack-host, runs the end-to-end suite on it and stops it; further arguments go to
pytest. Where no localstack-host lies beside the repository the status is 69: nothing was tested,
which is neither success nor a failure of what was to be tested. Where ULTRON_LOCALSTACK_HOST names
a folder that is none, that is a failure (1). `make` turns every status but 0 into 2: who has to
tell them apart calls this module itself.
"""

import argparse
import signal
import sys

from scripts.demo.deployment import port_setting
from scripts.demo.errors import StackError
from scripts.local_aws.report import keep_line
from scripts.local_aws.server import DEFAULT_PORT, PORT_VARIABLE
from scripts.local_aws.target import TargetError
from scripts.localstack import container
from scripts.localstack.host import (
    FOLDER_VARIABLE,
    LocalStackHostMissingError,
    find_localstack_host,
    run_e2e,
)
from scripts.processes.errors import LocalProcessError
from shared.platform.command_line import complain, run_command

# EX_UNAVAILABLE of sysexits.h, which pytest never ends with.
NOT_THERE_STATUS = 69


def main(arguments: list[str] | None = None) -> int:
    """Do the named thing; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.localstack", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "e2e"))
    parser.add_argument("--port", type=int, help="of `e2e`; a free one unless given")
    options, further = parser.parse_known_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.action == "e2e":
            return run_e2e(find_localstack_host(), options.port, further)
        if options.action == "down":
            container.down()
        else:
            port, is_port_fixed = port_setting(PORT_VARIABLE, DEFAULT_PORT)
            target = container.up(port, is_port_fixed=is_port_fixed)
            print(f"{target.title} runs; `make e2e ENDPOINT={target.endpoint_url}` tests on it.")
    except LocalStackHostMissingError as error:
        # Nothing of this project depends on it: said, and kept for the closing report.
        complain(f"LocalStack is not tested: {error}")
        keep_line(f"LocalStack: not tested, there is no localstack-host ({FOLDER_VARIABLE})")
        return NOT_THERE_STATUS
    except (LocalProcessError, TargetError, StackError) as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
