"""`python -m scripts.demo up` brings the demo up and asks it; `down` removes it."""

import argparse
import shutil
import signal
import sys
from collections.abc import Callable
from types import FrameType

from scripts.demo.announcement import announce, withdraw
from scripts.demo.answers import curl_lines, ultron_commands
from scripts.demo.children import OverdueError, run_showing
from scripts.demo.deployment import (
    ROOT,
    Deployment,
    Servers,
    demo_deployment,
    demo_directory,
    demo_servers,
    deployment_on,
)
from scripts.demo.errors import StackError
from scripts.demo.stack import LiveStack, build, deploy, destroy, forget, left_running
from scripts.demo.steps import Steps
from scripts.demo.variables import MARVEL_CORPUS, local_variables
from scripts.demo.warm_up import warm_up
from scripts.environments import interpreter
from scripts.local_aws.emulator_log import last_errors
from scripts.locks import one_at_a_time
from scripts.processes.errors import LocalProcessError
from scripts.terraform_tooling import TerraformError, terraform_command
from shared.errors import UltronError
from shared.platform.command_line import complain, run_command

INGEST_TIMEOUT_SECONDS = 900
# Of any `ultron` command: longer than the longest, which ends by itself.
COMMAND_DEADLINE_SECONDS = INGEST_TIMEOUT_SECONDS + 60.0
_TERMINATED_STATUS = 143
_STOPPED = "what this command started is stopped."
_INTERRUPTED_STATUS = 130


def up() -> None:
    """Bring everything up, or find it up; ingest; ask.

    Raises:
        StackError, LocalProcessError, TerraformError: a step failed; what was started is stopped.
    """
    steps = Steps()
    servers = demo_servers()
    print("Ultron Embeddings on a local AWS", flush=True)
    with steps.step("tools"):
        steps.detail(terraform_command())
    with steps.step("Lambda bundles and model"):
        built = build()
    with left_running(servers, steps) as found:
        deployment = deployment_on(Servers(*(one.server for one in found)), demo_directory())
        if found[0].is_new:
            forget(deployment)
        with steps.step("terraform init and apply (a minute the first time)"):
            variables = local_variables(deployment, built.bundle_directory, built.model_directory)
            stack = LiveStack(deployment, deploy(deployment, variables))
        announce(deployment)
        with steps.step(f"ingest of the corpus {MARVEL_CORPUS}"):
            _ingest(steps, deployment)
        with steps.step("cold start of the functions that answer"):
            warm_up(stack.api_url, stack.outputs.api_key)
        _ask(stack)
    print(f"All of it in {steps.seconds:.0f} s. `make down` stops and removes it.")


def down() -> None:
    """Destroy the stack, stop the servers, remove what they left.

    Raises:
        StackError: Terraform could not destroy everything; the servers are stopped all the same.
        LocalProcessError: a server could not be stopped.
    """
    steps = Steps()
    deployment, servers = demo_deployment()
    try:
        if servers.local_aws.running_pid() is not None and deployment.state_path.exists():
            with steps.step("terraform destroy"):
                destroy(deployment)
    finally:
        withdraw(deployment)
        with steps.step("servers"):
            stopped = [server.title for server in reversed(servers) if server.stop()]
            steps.detail(f"stopped {' and '.join(stopped)}" if stopped else "none ran")
        if deployment.directory.exists():
            shutil.rmtree(deployment.directory)
    print("The demo is down and its files are gone.")


def _ingest(steps: Steps, deployment: Deployment) -> None:
    arguments = ["ingest", "--corpus", MARVEL_CORPUS, "--wait"]
    arguments += ["--timeout", str(INGEST_TIMEOUT_SECONDS)]
    if not sys.stdout.isatty():
        _ultron(deployment, arguments, steps.line)
        return
    # The command draws its bar on the terminal itself, so that is handed on to it.
    steps.below()
    _ultron(deployment, arguments, steps.line, on_terminal=True)


def _ask(stack: LiveStack) -> None:
    for arguments in ultron_commands():
        print(f"\n$ ultron {arguments[0]} '{arguments[1]}'", flush=True)
        _ultron(stack.deployment, arguments, lambda line: print(f"  {line}", flush=True))
    print(f"\nThe API is at {stack.api_url}; go on with")
    print("  .venv/bin/ultron chat 'Who is Vision?'")
    print(f"  .venv/bin/ultron ingest --corpus {MARVEL_CORPUS} --mode full --wait")
    print("or with")
    for line in curl_lines(stack.api_url, stack.outputs.api_key):
        print(f"  {line}")
    print()


def _ultron(
    deployment: Deployment,
    arguments: list[str],
    show: Callable[[str], None],
    *,
    on_terminal: bool = False,
) -> None:
    """Run the `ultron` command on the deployment; its last line tells why it failed."""
    python = str(interpreter("development", deployment.root))
    command = [python, "-m", "services.cli", *arguments]
    environment = deployment.environment() | {"ULTRON_OUTPUTS": str(deployment.outputs_path)}
    last_line = ""

    def keep_and_show(line: str) -> None:
        nonlocal last_line
        last_line = line
        if not line.startswith("error: "):
            show(line)

    try:
        status = run_showing(
            command,
            environment,
            deployment.root,
            keep_and_show,
            COMMAND_DEADLINE_SECONDS,
            on_terminal=on_terminal,
        )
        failure = f"ended with status {status}: {last_line.removeprefix('error: ')}"
    except OverdueError as error:
        status, failure = None, f"did not end within {error.deadline_seconds:.0f} s and was ended"
    if status != 0:
        raise StackError(f"`ultron {arguments[0]}` {failure}{last_errors(deployment.log_path)}")


class _TerminatedError(BaseException):
    """The command was asked to end; like KeyboardInterrupt, no step may catch it."""


def _end_in_good_order(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's
    raise _TerminatedError


def _say_that_it_waits() -> None:
    print(
        "Another `make demo` or `make down` of this folder is at work; waiting for it.", flush=True
    )


def main(arguments: list[str] | None = None) -> int:
    """Do the named thing; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    action = {"up": up, "down": down}[parser.parse_args(arguments).action]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_in_good_order)
    # A shell starts background commands with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Two at once would each start servers, and one pair would be forgotten.
        with one_at_a_time(ROOT / ".local" / "demo.lock", _say_that_it_waits):
            action()
    except (StackError, LocalProcessError, TerraformError, UltronError) as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        complain(f"Interrupted; {_STOPPED}")
        return _INTERRUPTED_STATUS
    except _TerminatedError:
        complain(f"Terminated; {_STOPPED}")
        return _TERMINATED_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
