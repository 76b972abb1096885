"""LocalStack as a process of this machine, where there is no Docker.

`localstack-host` is a separate folder beside this repository (or where ULTRON_LOCALSTACK_HOST
says): it installs a release of LocalStack and runs its functions as processes. This project does
not depend on it; where it is missing, that is said.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.local_aws.emulator_log import last_errors
from scripts.locks import one_at_a_time
from scripts.processes.errors import LocalProcessError, PortTakenError
from scripts.processes.os_processes import end_group
from scripts.processes.ports import free_port, is_port_free

ROOT = Path(__file__).resolve().parents[2]
FOLDER_VARIABLE = "ULTRON_LOCALSTACK_HOST"
BESIDE = Path("..") / "shared" / "localstack-host"
FUNCTIONS_PATH = Path(__file__).parent / "functions_path"
DYNAMODB_PATH = Path(__file__).parent / "dynamodb_path"
SETUP_DEADLINE_SECONDS = 1800.0
START_DEADLINE_SECONDS = 120.0
STOP_DEADLINE_SECONDS = 60.0
# Where the end-to-end suite finds the log of the LocalStack that it runs on.
LOG_VARIABLE = "ULTRON_ENDPOINT_LOG"
_PORT_ATTEMPTS = 3
# As in docker-compose.localstack.yml: no service beside these can be called.
SERVICES = "apigateway,cloudwatch,dynamodb,events,iam,lambda,logs,s3,secretsmanager,sqs,ssm,sts"
_SHOWN_LINES = 5
_SCRIPTS = ("setup.sh", "start.sh", "stop.sh")


class LocalStackHostMissingError(LocalProcessError):
    """There is no localstack-host on this machine, and none was asked for."""


@dataclass(frozen=True)
class LocalStackHost:
    """The folder with its scripts, and where it keeps what it installs and writes."""

    folder: Path
    work: Path

    def set_up(self) -> None:
        """Install the release; what is installed already is kept.

        Raises:
            LocalProcessError: a step of it failed.
        """
        self._run("setup.sh", deadline_seconds=SETUP_DEADLINE_SECONDS)

    def start(self, port: int) -> str:
        """Start a fresh LocalStack and wait until it is ready; its endpoint.

        Raises:
            PortTakenError: another program has the port.
            LocalProcessError: it did not start, or not in time.
        """
        taken = PortTakenError(
            f"Port {port}, which LocalStack needs, is taken by another program: end that"
            " program or choose another port with --port."
        )
        if not is_port_free(port):
            raise taken
        try:
            self._run("start.sh", str(port), deadline_seconds=START_DEADLINE_SECONDS)
        except LocalProcessError as error:
            self.stop(port)
            if not is_port_free(port):
                raise taken from error
            raise LocalProcessError(f"{error}{last_errors(self.log_path(port))}") from error
        except BaseException:
            self.stop(port)
            raise
        return f"http://127.0.0.1:{port}"

    def stop(self, port: int) -> None:
        """End the LocalStack that was started on a port, with all that it started.

        Raises:
            LocalProcessError: it could not be ended.
        """
        self._run("stop.sh", str(port), deadline_seconds=STOP_DEADLINE_SECONDS)

    def log_path(self, port: int) -> Path:
        """Where the LocalStack of a port writes what it does."""
        return self.work / "run" / str(port) / "localstack.log"

    def environment(self, present: Mapping[str, str]) -> dict[str, str]:
        """The environment of its scripts: the person's, without their AWS, and our choices.

        DynamoDB is moto's (the default one, of 2020, refuses transactions of more than ten items),
        CloudWatch the first provider (the default one drops tags of alarms). Services are loaded
        before it is ready: loaded by the first requests, two have been seen to wait for each other.
        """
        own = {name: value for name, value in present.items() if not name.startswith("AWS_")}
        return {
            **pyenv_of(Path(sys.base_prefix)),
            **own,
            "HARNESS_WORK": str(self.work),
            "DYNAMODB_BACKEND": "moto",
            "PROVIDER_OVERRIDE_CLOUDWATCH": "v1",
            "SERVICES": SERVICES,
            "EAGER_SERVICE_LOADING": "1",
            "LAMBDA_HOST_PYTHONPATH": str(FUNCTIONS_PATH),
            "PYTHONPATH": str(DYNAMODB_PATH),
            "LOCALSTACK_HOST": "",
            "PERSISTENCE": "0",
        }

    def _run(self, script: str, *arguments: str, deadline_seconds: float) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        log_path = self.work / f"{script}.log"
        with log_path.open("wb") as log:
            # Into a file: what it starts keeps the descriptors, and a pipe would never end.
            process = subprocess.Popen(
                [str(self.folder / script), *arguments],
                env=self.environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            status = process.wait(deadline_seconds)
            failure = f"ended with status {status}" if status != 0 else None
        except subprocess.TimeoutExpired:
            failure = f"did not end within {deadline_seconds:.0f} s"
        finally:
            if process.poll() is None:
                end_group(process.pid, script)
                process.wait()
        if failure is not None:
            lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise LocalProcessError(
                f"{script} of localstack-host {failure} (all of it: {log_path}); its last words:\n"
                + "\n".join(lines[-_SHOWN_LINES:])
            )


def pyenv_of(installation: Path) -> dict[str, str]:
    """What tells the scripts of the pyenv that a Python is from, where they look for other Pythons.

    By themselves they look for it in the home directory, which need not be where it is.
    """
    versions = installation.parent
    return {"PYENV_ROOT": str(versions.parent)} if versions.name == "versions" else {}


def find_localstack_host(
    environment: Mapping[str, str] = os.environ, root: Path = ROOT
) -> LocalStackHost:
    """The localstack-host that the environment names, or that lies beside the repository.

    Raises:
        LocalStackHostMissingError: none lies beside the repository; says where one is looked for.
        LocalProcessError: there is none where the environment says.
    """
    named = environment.get(FOLDER_VARIABLE)
    folder = (Path(named).expanduser() if named else root / BESIDE).resolve()
    lacking = [script for script in _SCRIPTS if not (folder / script).is_file()]
    if lacking:
        problem = LocalProcessError if named else LocalStackHostMissingError
        raise problem(
            f"There is no localstack-host in {folder} (no {', '.join(lacking)}): name its folder"
            f" with {FOLDER_VARIABLE}, or use Docker and `make localstack-up`."
        )
    return LocalStackHost(folder, root / ".local" / "localstack-host")


@contextmanager
def running_localstack(host: LocalStackHost, port: int | None = None) -> Iterator[int]:
    """A separate LocalStack for the block; its port, which is a free one unless given.

    Raises:
        LocalProcessError: it cannot be set up, started or stopped.
    """
    with one_at_a_time(host.work.with_suffix(".lock")):
        host.set_up()
    present = _start(host, port)
    try:
        yield present
    finally:
        host.stop(present)


def _start(host: LocalStackHost, port: int | None) -> int:
    """Start it on a port, or on a free one: another, when a program takes that before it does."""
    for _ in range(_PORT_ATTEMPTS - 1):
        chosen = free_port() if port is None else port
        try:
            host.start(chosen)
        except PortTakenError:
            if port is not None:
                raise
        else:
            return chosen
    chosen = free_port() if port is None else port
    host.start(chosen)
    return chosen


def run_e2e(host: LocalStackHost, port: int | None, pytest_options: list[str]) -> int:
    """Run the end-to-end suite on a separate LocalStack; pytest's exit status."""
    with running_localstack(host, port) as chosen:
        command = [sys.executable, "-m", "pytest", *(pytest_options or ["tests/e2e"])]
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{chosen}",
            LOG_VARIABLE: str(host.log_path(chosen)),
        }
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
