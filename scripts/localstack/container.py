"""LocalStack in a container, by docker-compose.localstack.yml."""

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.local_aws.target import Target, detect
from scripts.processes.errors import LocalProcessError
from scripts.processes.ports import free_port, is_port_free

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.localstack.yml"
# The image is 1 GB, which is fetched at the first start.
UP_DEADLINE_SECONDS = 900.0
DOWN_DEADLINE_SECONDS = 120.0
QUESTION_DEADLINE_SECONDS = 30.0
_PORT_IN_CONTAINER = 4566
_WITHOUT_DOCKER = "or use the embedded local AWS, which needs none (`make demo`, `make e2e`)"


def compose_command() -> list[str]:
    """`docker compose` on our file.

    The project has a name of this folder's own: by default it is the folder's last name, and two
    clones would stop each other's container and write into one volume.

    Raises:
        LocalProcessError: there is no Docker, no daemon that answers, or no Compose.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise LocalProcessError(
            f"LocalStack's image needs Docker, and `docker` is not on the PATH: install it,"
            f" {_WITHOUT_DOCKER}."
        )
    if not _succeeds([docker, "compose", "version"]):
        raise LocalProcessError(
            "This Docker has no `docker compose`: install its Compose plugin (version 2)."
        )
    if not _succeeds([docker, "info"]):
        raise LocalProcessError(
            f"Docker's daemon does not answer `docker info`: start it, or join the group that may"
            f" use it, {_WITHOUT_DOCKER}."
        )
    project = "ultron-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    return [docker, "compose", "--project-name", project, "--file", str(COMPOSE_FILE)]


def up(port: int, *, is_port_fixed: bool) -> Target:
    """Start LocalStack in its container, or find it up, and wait until it is healthy.

    Where another program has the port and it is not fixed, a free one is taken, and that is said.

    Raises:
        LocalProcessError: there is no Docker, the fixed port is taken, or the container did not
            start in time.
        TargetError: what listens then is no LocalStack.
    """
    command = compose_command()
    running_port = _published_port(command)
    if running_port is not None:
        if is_port_fixed and running_port != port:
            raise LocalProcessError(
                f"LocalStack runs already on port {running_port}, and port {port} was asked for:"
                " stop it first with `make localstack-down`."
            )
        return detect(f"http://127.0.0.1:{running_port}")
    if not is_port_free(port):
        if is_port_fixed:
            raise LocalProcessError(
                f"Port {port}, which LocalStack needs, is taken by another program: end that or"
                " choose another port with ULTRON_LOCAL_AWS_PORT."
            )
        taken, port = port, free_port()
        print(f"Port {taken} is taken by another program: LocalStack gets port {port}.", flush=True)
    # The environment goes on as it is: it names the image and the token.
    environment = {**os.environ, "ULTRON_LOCAL_AWS_PORT": str(port)}
    _run([*command, "up", "--detach", "--wait"], UP_DEADLINE_SECONDS, environment)
    return detect(f"http://127.0.0.1:{port}")


def down() -> None:
    """Stop the container and remove it; its data stays in the named volume.

    Raises:
        LocalProcessError: there is no Docker, or it failed.
    """
    _run([*compose_command(), "down"], DOWN_DEADLINE_SECONDS, os.environ)


def _published_port(command: list[str]) -> int | None:
    """The port of this machine at which the container runs; None when it does not."""
    asked = [*command, "port", "localstack", str(_PORT_IN_CONTAINER)]
    answered = _capture(asked)
    text = answered.stdout.strip().rpartition(":")[2] if answered else ""
    return int(text) if text.isdigit() and int(text) else None


def _run(command: list[str], deadline_seconds: float, environment: Mapping[str, str]) -> None:
    """Run a command of Compose, which says itself what it does."""
    action = next(word for word in command if word in {"up", "down"})
    try:
        status = subprocess.run(
            command, env=environment, timeout=deadline_seconds, check=False
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise LocalProcessError(
            f"`docker compose {action}` did not end within {deadline_seconds:.0f} s;"
            f" `{shlex.join(['docker', *command[1:6]])} logs` has LocalStack's own words."
        ) from error
    if status != 0:
        raise LocalProcessError(
            f"`docker compose {action}` ended with status {status}; its own message stands above,"
            f" and `{shlex.join(['docker', *command[1:6]])} logs` has LocalStack's."
        )


def _succeeds(command: list[str]) -> bool:
    answered = _capture(command)
    return answered is not None and answered.returncode == 0


def _capture(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    """What a quick command answers; None when it does not end, as with a daemon that hangs."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=QUESTION_DEADLINE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
