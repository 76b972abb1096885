"""LocalStack in a container, by docker-compose.localstack.yml."""

import os
import shutil
import subprocess
from pathlib import Path

from scripts.local_aws.process import LocalProcessError, is_port_free
from scripts.local_aws.target import Target, TargetError, detect

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.localstack.yml"
_WITHOUT_DOCKER = "or use the embedded local AWS, which needs none (`make demo`, `make e2e`)"


def compose_command() -> list[str]:
    """`docker compose` on our file.

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
    return [docker, "compose", "--file", str(COMPOSE_FILE)]


def up(port: int) -> Target:
    """Start LocalStack in its container, or find it up, and wait until it is healthy.

    Raises:
        LocalProcessError: there is no Docker, the port is taken, or the container did not start.
        TargetError: what listens then is no LocalStack.
    """
    command = compose_command()
    endpoint = f"http://127.0.0.1:{port}"
    if not is_port_free(port):
        return _running(endpoint, port)
    # The environment goes on as it is: it names the image, the token and the port.
    done = subprocess.run(
        [*command, "up", "--detach", "--wait"],
        env={**os.environ, "ULTRON_LOCAL_AWS_PORT": str(port)},
        check=False,
    )
    if done.returncode != 0:
        raise LocalProcessError(
            f"`docker compose up` ended with status {done.returncode}; its own message stands"
            f" above, and `docker compose --file {COMPOSE_FILE.name} logs` has LocalStack's."
        )
    return detect(endpoint)


def _running(endpoint: str, port: int) -> Target:
    """The LocalStack that listens already."""
    try:
        target = detect(endpoint)
    except TargetError:
        target = None
    if target is None or target.kind != "LocalStack":
        holder = f"by {target.title}" if target else "by another program"
        raise LocalProcessError(
            f"Port {port}, which LocalStack needs, is taken {holder}: end that or choose another"
            " port with ULTRON_LOCAL_AWS_PORT."
        )
    return target


def down() -> None:
    """Stop the container and remove it; its data stays in the named volume.

    Raises:
        LocalProcessError: there is no Docker, or it failed.
    """
    done = subprocess.run([*compose_command(), "down"], check=False)
    if done.returncode != 0:
        raise LocalProcessError(
            f"`docker compose down` ended with status {done.returncode}; its own message stands"
            " above."
        )


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
