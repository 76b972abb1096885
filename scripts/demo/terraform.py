"""Terraform on terraform/, for one deployment, with a deadline for each of its commands."""

from collections.abc import Iterable
from pathlib import Path

from scripts.demo.children import OverdueError, run_showing
from scripts.demo.deployment import Deployment
from scripts.demo.errors import StackError
from scripts.local_aws.emulator_log import last_errors
from scripts.locks import one_at_a_time
from scripts.terraform_tooling import (
    init_lock,
    mirror_hint,
    terraform_command,
    terraform_environment,
)

# Many times what each takes on two cores, where `apply` is the longest with a minute and a half;
# an endpoint that fails is asked again by the provider for much longer.
DEADLINE_SECONDS = {
    "init": 300.0,
    "plan": 300.0,
    "apply": 900.0,
    "destroy": 600.0,
    "output": 60.0,
    "show": 120.0,
}


def initialise(deployment: Deployment) -> None:
    """`terraform init`, one at a time in a checkout: what it downloads goes into a shared cache.

    Raises:
        StackError: Terraform failed, or took too long.
    """
    with one_at_a_time(init_lock(deployment.root)):
        run_terraform(deployment, "init", "-input=false")


def run_terraform(deployment: Deployment, *arguments: str) -> str:
    """Run a command of Terraform on terraform/; what it printed.

    Raises:
        StackError: it failed, or did not end before its deadline; names its first error, its log,
            and the last errors of the local AWS.
    """
    action = arguments[0]
    log_path = deployment.terraform_directory / f"{action}.log"
    environment = (
        deployment.environment()
        | terraform_environment(deployment.root)
        | deployment.aws_environment()
        | {"TF_DATA_DIR": str(deployment.terraform_directory / "data"), "TF_IN_AUTOMATION": "1"}
    )
    lines: list[str] = []
    command = [
        terraform_command(),
        f"-chdir={deployment.root / 'terraform'}",
        action,
        "-no-color",
        *arguments[1:],
    ]
    failure = None
    try:
        status = run_showing(
            command, environment, deployment.root, lines.append, DEADLINE_SECONDS[action]
        )
        failure = "failed" if status != 0 else None
    except OverdueError as error:
        failure = f"did not end within {error.deadline_seconds:.0f} s and was ended"
    printed = "\n".join(lines) + "\n"
    if action not in {"output", "show"}:  # they hold the API key
        log_path.write_text(printed, encoding="utf-8")
    if failure is not None:
        raise StackError(
            f"`{Path(command[0]).name} {action}` {failure}: {first_error(lines)}"
            f" (all of it: {log_path})"
            + (mirror_hint(environment) if action == "init" else "")
            + last_errors(deployment.log_path)
        )
    return printed


def first_error(lines: Iterable[str]) -> str:
    """The first error that Terraform printed, with its explanation, on one line."""
    found: list[str] = []
    for raw_line in lines:
        line = raw_line.strip(" │╷╵")
        if line.startswith("Error: "):
            if found:
                break
            found.append(line.removeprefix("Error: "))
        elif found and line:
            found.append(line)
    return " ".join(found)[:600] or "it gave no reason"
