"""Building, deploying and destroying the whole stack, with Terraform, against any endpoint."""

import json
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.build_bundles import build_bundles
from scripts.build_model import ensure_model
from scripts.build_support import BuildError
from scripts.bundling.native.native_target import TargetName
from scripts.demo.deployment import (
    ROOT,
    Deployment,
    Servers,
    deployment_at,
    deployment_on,
    local_servers,
)
from scripts.demo.errors import StackError
from scripts.demo.steps import Steps
from scripts.demo.terraform import initialise, run_terraform
from scripts.demo.variables import local_variables
from scripts.local_aws.services import require_services
from scripts.local_aws.target import LOOPBACK, Target
from scripts.processes.process import BackgroundServer, Running, ensure_running
from services.cli.deployment.outputs import Deployment as Outputs


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
        LocalProcessError: a service of the local AWS is broken.
        StackError: Terraform failed; names its first error and the log.
    """
    require_services(deployment.endpoint_url, deployment.certificate, deployment.log_path)
    _initialise(deployment, variables)
    run_terraform(deployment, "apply", "-input=false", "-auto-approve", *_state_options(deployment))
    printed = run_terraform(deployment, "output", "-json", f"-state={deployment.state_path}")
    deployment.outputs_path.touch(mode=0o600)
    deployment.outputs_path.write_text(printed, encoding="utf-8")
    return Outputs.parse(printed, "`terraform output -json`")


def planned_changes(deployment: Deployment) -> list[str]:
    """What a plan right now would change, a resource a line; nothing after a good apply.

    Raises:
        StackError: Terraform failed.
    """
    options = (f"-state={deployment.state_path}", f"-var-file={deployment.variables_path}")
    printed = run_terraform(deployment, "plan", "-input=false", "-lock=false", *options)
    return [line.strip() for line in printed.splitlines() if line.startswith("  # ")]


def plan_document(deployment: Deployment, variables: Mapping[str, Any]) -> str:
    """What `terraform show -json` prints of a plan with these variables; nothing is applied.

    Raises:
        LocalProcessError: a service of the local AWS is broken.
        StackError: Terraform failed.
    """
    require_services(deployment.endpoint_url, deployment.certificate, deployment.log_path)
    _initialise(deployment, variables)
    path = deployment.terraform_directory / "plan"
    run_terraform(deployment, "plan", "-input=false", f"-out={path}", *_state_options(deployment))
    return run_terraform(deployment, "show", "-json", str(path))


def destroy(deployment: Deployment, *further_options: str) -> None:
    """Destroy what was deployed; nothing to do when nothing was.

    Raises:
        StackError: Terraform failed, and something may be left.
    """
    if deployment.state_path.exists():
        options = ("-input=false", "-auto-approve", *_state_options(deployment))
        run_terraform(deployment, "destroy", *options, *further_options)
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
    """A separate stack for the block: servers on free ports, deployed, and wholly removed.

    `changes` gives Terraform variables over the local ones. With `target` the stack is
    deployed there and no local AWS is started; the Marvel gateway always is. `enforce_policies`
    makes the local AWS check the role of every function, over TLS. When the block fails, a stack on
    a separate local AWS goes with that, without Terraform.

    Raises:
        StackError, LocalProcessError: it cannot be brought up, or is not wholly removed.
    """
    if target:
        require_services(target.endpoint_url, log_path=target.log_path)
    source_host = target.source_host if target else LOOPBACK
    servers = local_servers(directory, root, source_host, enforce_policies=enforce_policies)
    built = build(root, target.bundles if target else "local")
    with running(servers[1:] if target else servers) as started:
        if target:
            deployment = deployment_at(target, started[0], directory, root)
        else:
            deployment = deployment_on(Servers(*started), directory, root)
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
def running(servers: Iterable[BackgroundServer]) -> Iterator[list[BackgroundServer]]:
    """Servers that run for the block and are stopped and cleared away after it; with their ports.

    Raises:
        LocalProcessError: one cannot be started or stopped.
    """
    started: list[BackgroundServer] = []
    try:
        for server in servers:
            present = ensure_running(server)
            started.append(present.server)
        yield started
    finally:
        for server in reversed(started):
            server.stop()
            server.remove_files()


@contextmanager
def left_running(servers: Iterable[BackgroundServer], steps: Steps) -> Iterator[Sequence[Running]]:
    """Servers that go on after the block; yields them as they run, new or found running.

    When the block fails, or a server cannot be started, exactly the new ones are stopped again,
    whatever else interrupts meanwhile.
    """
    found: list[Running] = []
    try:
        for server in servers:
            with steps.step(server.title):
                present = ensure_running(server)
                found.append(present)
                if not present.is_new:
                    steps.detail("ran already")
                if present.avoided_port is not None:
                    steps.detail(f"port {present.avoided_port} is taken by another program")
                steps.detail(present.server.url)
        yield found
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for present in reversed(found):
            if present.is_new:
                present.server.stop()
        raise


def _initialise(deployment: Deployment, variables: Mapping[str, Any]) -> None:
    deployment.terraform_directory.mkdir(parents=True, exist_ok=True)
    deployment.variables_path.touch(mode=0o600)
    deployment.variables_path.write_text(json.dumps(variables, indent=2) + "\n", encoding="utf-8")
    initialise(deployment)


def _state_options(deployment: Deployment) -> tuple[str, ...]:
    return (
        f"-state={deployment.state_path}",
        "-backup=-",
        f"-var-file={deployment.variables_path}",
    )
