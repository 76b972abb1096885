"""Building, deploying and destroying the whole stack, with Terraform, against any endpoint."""

import json
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.build_bundles import build_bundles
from scripts.build_model import ensure_model
from scripts.build_support import BuildError
from scripts.bundling.native_target import TargetName
from scripts.demo.children import run_showing
from scripts.demo.deployment import ROOT, Deployment, local_deployment
from scripts.demo.errors import StackError
from scripts.demo.steps import Steps
from scripts.demo.variables import local_variables
from scripts.local_aws.process import BackgroundServer, free_port
from scripts.local_aws.target import LOOPBACK, Target
from scripts.terraform_tooling import mirror_hint, terraform_command, terraform_environment
from services.cli.deployment import Deployment as Outputs


@dataclass(frozen=True)
class Built:
    """Folders of the bundles and of the model."""

    bundle_directory: Path
    model_directory: Path


@dataclass(frozen=True)
class LiveStack:
    """A deployed stack: how to reach it, and what Terraform says of it."""

    deployment: Deployment
    outputs: Outputs

    @property
    def api_url(self) -> str:
        """The URL below which `/retrieve` and `/chat` are."""
        return self.outputs.base_url(self.deployment.endpoint_url)


def build(root: Path = ROOT, bundles: TargetName = "local") -> Built:
    """Build bundles, by default for this machine, and the model, or find them unchanged.

    Raises:
        StackError: a build failed.
    """
    try:
        return Built(build_bundles(bundles, root).parent, ensure_model(root))
    except BuildError as error:
        raise StackError(str(error)) from error


def deploy(deployment: Deployment, variables: Mapping[str, Any]) -> Outputs:
    """Apply terraform/ with these variables; safe to repeat.

    Raises:
        StackError: Terraform failed; names its first error and the log.
    """
    _initialise(deployment, variables)
    _terraform(deployment, "apply", "-input=false", "-auto-approve", *_state_options(deployment))
    printed = _terraform(deployment, "output", "-json", f"-state={deployment.state_path}")
    deployment.outputs_path.touch(mode=0o600)
    deployment.outputs_path.write_text(printed, encoding="utf-8")
    return Outputs.parse(printed, "`terraform output -json`")


def planned_changes(deployment: Deployment) -> list[str]:
    """What a plan right now would change, a resource a line; nothing after a good apply.

    Raises:
        StackError: Terraform failed.
    """
    options = (f"-state={deployment.state_path}", f"-var-file={deployment.variables_path}")
    printed = _terraform(deployment, "plan", "-input=false", "-lock=false", *options)
    return [line.strip() for line in printed.splitlines() if line.startswith("  # ")]


def plan_document(deployment: Deployment, variables: Mapping[str, Any]) -> str:
    """What `terraform show -json` prints of a plan with these variables; nothing is applied.

    Raises:
        StackError: Terraform failed.
    """
    _initialise(deployment, variables)
    path = deployment.terraform_directory / "plan"
    _terraform(deployment, "plan", "-input=false", f"-out={path}", *_state_options(deployment))
    return _terraform(deployment, "show", "-json", str(path))


def destroy(deployment: Deployment) -> None:
    """Destroy what was deployed; nothing to do when nothing was.

    Raises:
        StackError: Terraform failed, and something may be left.
    """
    if deployment.state_path.exists():
        options = ("-input=false", "-auto-approve", *_state_options(deployment))
        _terraform(deployment, "destroy", *options)
        forget(deployment)


def forget(deployment: Deployment) -> None:
    """Remove Terraform's state and outputs: what they speak of went with its local AWS."""
    for path in deployment.terraform_directory.glob("terraform.tfstate*"):
        path.unlink()
    deployment.outputs_path.unlink(missing_ok=True)


@contextmanager
def live_stack(
    directory: Path,
    changes: Callable[[Deployment], Mapping[str, Any]] | None = None,
    *,
    target: Target | None = None,
    enforce_policies: bool = False,
    root: Path = ROOT,
) -> Iterator[LiveStack]:
    """A stack of its own for the block: servers on free ports, deployed, and wholly removed.

    `changes` gives Terraform variables over the local ones. With `target` the stack is
    deployed there and no local AWS is started; the Marvel gateway always is. `enforce_policies`
    makes the local AWS check the role of every function, over TLS. When the block fails, a stack on
    a local AWS of its own goes with that, without Terraform.

    Raises:
        StackError, LocalProcessError: it cannot be brought up, or is not wholly removed.
    """
    source_host = target.source_host if target else LOOPBACK
    deployment, servers = local_deployment(
        directory,
        free_port(),
        free_port(),
        root,
        source_host,
        enforce_policies=enforce_policies,
    )
    if target:
        deployment = replace(
            deployment, endpoint_url=target.endpoint_url, target=target, certificate=None
        )
        servers = servers[1:]
    built = build(root, target.bundles if target else "local")
    with running(servers):
        variables = local_variables(
            deployment,
            built.bundle_directory,
            built.model_directory,
            changes(deployment) if changes else None,
        )
        try:
            yield LiveStack(deployment, deploy(deployment, variables))
        except BaseException:
            if target:
                destroy(deployment)
            raise
        destroy(deployment)
    shutil.rmtree(directory)


@contextmanager
def running(servers: Iterable[BackgroundServer]) -> Iterator[None]:
    """Servers that run for the block and are stopped and cleared away after it."""
    started: list[BackgroundServer] = []
    try:
        for server in servers:
            server.start()
            started.append(server)
        yield
    finally:
        for server in reversed(started):
            server.stop()
            server.remove_files()


@contextmanager
def left_running(
    servers: Iterable[BackgroundServer], steps: Steps
) -> Iterator[Sequence[BackgroundServer]]:
    """Servers that go on after the block; yields those that were not running before.

    When the block fails, or a server cannot be started, exactly those are stopped again, whatever
    else interrupts meanwhile.
    """
    started: list[BackgroundServer] = []
    try:
        for server in servers:
            with steps.step(server.title):
                if server.start():
                    started.append(server)
                else:
                    steps.detail("ran already")
                steps.detail(server.url)
        yield started
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for server in reversed(started):
            server.stop()
        raise


def _initialise(deployment: Deployment, variables: Mapping[str, Any]) -> None:
    deployment.terraform_directory.mkdir(parents=True, exist_ok=True)
    deployment.variables_path.touch(mode=0o600)
    deployment.variables_path.write_text(json.dumps(variables, indent=2) + "\n", encoding="utf-8")
    _terraform(deployment, "init", "-input=false")


def _state_options(deployment: Deployment) -> tuple[str, ...]:
    return (
        f"-state={deployment.state_path}",
        "-backup=-",
        f"-var-file={deployment.variables_path}",
    )


def _terraform(deployment: Deployment, *arguments: str) -> str:
    """Run Terraform on terraform/ for a deployment; what it printed."""
    log_path = deployment.terraform_directory / f"{arguments[0]}.log"
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
        arguments[0],
        "-no-color",
        *arguments[1:],
    ]
    status = run_showing(command, environment, deployment.root, lines.append)
    printed = "\n".join(lines) + "\n"
    if arguments[0] not in {"output", "show"}:  # they hold the API key
        log_path.write_text(printed, encoding="utf-8")
    if status != 0:
        name = Path(command[0]).name
        raise StackError(
            f"`{name} {arguments[0]}` failed: {first_error(lines)} (all of it: {log_path})"
            + (mirror_hint(environment) if arguments[0] == "init" else "")
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
