"""What makes one deployment different from another on the same machine."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scripts.demo.errors import StackError
from scripts.environments import interpreter
from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.local_aws.server import DEFAULT_PORT as DEFAULT_LOCAL_AWS_PORT
from scripts.local_aws.server import PORT_VARIABLE, local_aws
from scripts.local_aws.target import LOOPBACK, Target
from scripts.processes.ports import ANY_PORT
from scripts.processes.process import PORT, BackgroundServer

ROOT = Path(__file__).resolve().parents[2]
GATEWAY_PORT_VARIABLE = "ULTRON_GATEWAY_PORT"
DEFAULT_GATEWAY_PORT = 4570
# The keys that the local gateway takes when it is given no others.
MARVEL_PUBLIC_KEY = "1234"
MARVEL_PRIVATE_KEY = "abcd"
_HIGHEST_PORT = 65_535


@dataclass(frozen=True)
class Deployment:
    """One deployment: where its endpoint and its source are, and where its files go.

    `certificate` is what to trust of an endpoint that has a separate one.
    `directory` (absolute) holds all that it leaves on disk: Terraform's state, the servers' pid
    files and logs, the API key. Two deployments with different directories and ports share nothing.
    `target` is what listens at the endpoint, None for the local AWS that these tools start.
    `log_path` is where what listens there writes its log, None where that is not known.
    """

    directory: Path
    endpoint_url: str
    gateway_url: str
    root: Path = ROOT
    name_prefix: str = "ultron"
    certificate: Path | None = None
    target: Target | None = None
    log_path: Path | None = None

    @property
    def functions_endpoint_url(self) -> str:
        """The endpoint as the functions reach it: they may be in containers."""
        return self.target.functions_endpoint_url if self.target else self.endpoint_url

    @property
    def source_url(self) -> str:
        """The gateway as the functions reach it."""
        return self.as_functions_see(self.gateway_url)

    def as_functions_see(self, url: str) -> str:
        """The URL of a server on this machine's loopback address, for the functions."""
        return url.replace(LOOPBACK, self.target.machine_host) if self.target else url

    @property
    def terraform_directory(self) -> Path:
        """Terraform's data, variables and state."""
        return self.directory / "terraform"

    @property
    def state_path(self) -> Path:
        """Terraform's state."""
        return self.terraform_directory / "terraform.tfstate"

    @property
    def variables_path(self) -> Path:
        """The variables that Terraform is given."""
        return self.terraform_directory / "local.tfvars.json"

    @property
    def outputs_path(self) -> Path:
        """`terraform output -json` of the last apply, for `ultron --outputs`; holds the API key."""
        return self.directory / "outputs.json"

    def aws_environment(self) -> dict[str, str]:
        """The variables by which AWS tools find this deployment's endpoint."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **({} if self.certificate is None else {"AWS_CA_BUNDLE": str(self.certificate)}),
        }

    def environment(self) -> dict[str, str]:
        """The environment of a command that works on it: the person's, without their AWS."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        hosts = ",".join(filter(None, (own.get("no_proxy"), "127.0.0.1,localhost")))
        return own | self.aws_environment() | {"NO_PROXY": hosts, "no_proxy": hosts}

    def local_aws_pid(self) -> int | None:
        """The process of the local AWS that was started for it; None when it is elsewhere."""
        return local_aws(self.root, self.directory / "aws").running_pid()

    def api_key(self) -> str:
        """The API key, made at the first call and kept."""
        path = self.directory / "api-key"
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="ascii")
        return path.read_text(encoding="ascii")


class Servers(NamedTuple):
    """What a local deployment needs, in the order to start it."""

    local_aws: BackgroundServer
    gateway: BackgroundServer


def local_servers(
    directory: Path,
    root: Path = ROOT,
    source_host: str = LOOPBACK,
    *,
    enforce_policies: bool = False,
) -> Servers:
    """Servers for one deployment, which get free ports as they start."""
    return Servers(
        local_aws(root, directory / "aws", enforce_policies=enforce_policies),
        marvel_gateway(root, directory / "gateway", host=source_host),
    )


def deployment_on(servers: Servers, directory: Path, root: Path = ROOT) -> Deployment:
    """The deployment to servers that run."""
    return Deployment(
        directory,
        servers.local_aws.url,
        servers.gateway.url,
        root,
        certificate=servers.local_aws.certificate,
        log_path=servers.local_aws.log_path,
    )


def deployment_at(
    target: Target, gateway: BackgroundServer, directory: Path, root: Path = ROOT
) -> Deployment:
    """The deployment to what listens elsewhere, with a gateway that runs here."""
    return Deployment(
        directory,
        target.endpoint_url,
        gateway.url,
        root,
        target=target,
        log_path=target.log_path,
    )


def marvel_gateway(
    root: Path,
    directory: Path,
    port: int = ANY_PORT,
    host: str = LOOPBACK,
    *,
    is_port_fixed: bool = False,
) -> BackgroundServer:
    """The local Marvel gateway, which serves the corpus of this repository."""
    python = interpreter("development", root)
    return BackgroundServer(
        title="the Marvel gateway",
        command=(str(python), "-m", "examples.marvel", "--host", host, "--port", PORT),
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(root),
            "MARVEL_PUBLIC_KEY": MARVEL_PUBLIC_KEY,
            "MARVEL_PRIVATE_KEY": MARVEL_PRIVATE_KEY,
        },
        directory=directory,
        port=port,
        health_path="/_control/faults",
        port_setting=GATEWAY_PORT_VARIABLE,
        is_port_fixed=is_port_fixed,
    )


def demo_servers(root: Path = ROOT) -> Servers:
    """The servers of `make demo`: on the ports that the environment names, else on the usual ones.

    Raises:
        StackError: a port variable is no port.
    """
    directory = demo_directory(root)
    aws_port, is_aws_port_fixed = port_setting(PORT_VARIABLE, DEFAULT_LOCAL_AWS_PORT)
    gateway_port, is_gateway_port_fixed = port_setting(GATEWAY_PORT_VARIABLE, DEFAULT_GATEWAY_PORT)
    return Servers(
        local_aws(root, directory / "aws", aws_port, is_port_fixed=is_aws_port_fixed),
        marvel_gateway(
            root, directory / "gateway", gateway_port, is_port_fixed=is_gateway_port_fixed
        ),
    )


def demo_directory(root: Path = ROOT) -> Path:
    """Where the demo of a checkout keeps its files."""
    return root / ".local" / "demo"


def demo_deployment(root: Path = ROOT) -> tuple[Deployment, Servers]:
    """The demo that `make demo` left running, on the ports where it is, and its servers.

    What the environment says now does not matter: it may say another port than it did then.
    """
    directory = demo_directory(root)
    made = local_aws(root, directory / "aws"), marvel_gateway(root, directory / "gateway")
    servers = Servers(*(server.where_last_started() for server in made))
    return deployment_on(servers, directory, root), servers


def port_setting(variable: str, default: int) -> tuple[int, bool]:
    """The port that an environment variable names, or the default; whether the variable named it.

    Raises:
        StackError: it names none.
    """
    named = os.environ.get(variable)
    text = named or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _HIGHEST_PORT):
        raise StackError(f"{variable} must be a port from 1 to {_HIGHEST_PORT}, not {text!r}.")
    return int(text), bool(named)
