"""How MiniStack is started: its command, its environment and its files."""

import os
from pathlib import Path

from scripts.environments import interpreter
from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.processes.errors import LocalProcessError
from scripts.processes.ports import ANY_PORT
from scripts.processes.process import PORT, BackgroundServer

DEFAULT_PORT = 4566
PORT_VARIABLE = "ULTRON_LOCAL_AWS_PORT"
# In its directory: what roles were refused, and what each was allowed, a JSON document a line.
DECISIONS_NAME = "decisions.jsonl"
# Last on the path, so that nothing of this project stands before a package of MiniStack's.
_LAUNCH = (
    "import sys; sys.path.append(sys.argv.pop(1));"
    "from scripts.local_aws.launcher import main; main()"
)


def local_aws(
    root: Path,
    directory: Path,
    port: int = ANY_PORT,
    *,
    is_port_fixed: bool = False,
    enforce_policies: bool = False,
) -> BackgroundServer:
    """The local AWS that keeps its files in `directory` (absolute) and listens on `port`.

    It sees a clean environment: it hands its own on to every function it runs, and a credential, a
    proxy or a PYTHONPATH of the person at the terminal must not reach them. `enforce_policies`
    makes it check the identity policy of every call of a function, and speak
    TLS alone: the resource policies of this project refuse plain HTTP.

    Raises LocalProcessError when its virtual environment has not been made.
    """
    python = interpreter("local-aws", root)
    if not python.exists():
        raise LocalProcessError(f"{python.parents[1].name} is missing: run `make environments`.")
    temporary = directory / "tmp"
    certificate = directory / "certificate.pem" if enforce_policies else None
    return BackgroundServer(
        title="the local AWS",
        command=(str(python), "-I", "-c", _LAUNCH, str(root)),
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(temporary),
            "LANG": "C.UTF-8",
            "TMPDIR": str(temporary),
            "STATE_DIR": str(directory / "state"),
            "S3_DATA_DIR": str(directory / "s3"),
            "GATEWAY_PORT": PORT,
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "AUTH": "true" if enforce_policies else "false",
            # Services that would listen on separate ports, and containers it might look for.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": f"unix://{directory}/no-docker.sock",
            **({} if certificate is None else _tls_environment(certificate)),
            "ULTRON_POLICY_DECISIONS": str(directory / DECISIONS_NAME),
        },
        directory=directory,
        port=port,
        health_path="/_ministack/health",
        port_setting=PORT_VARIABLE,
        certificate=certificate,
        is_port_fixed=is_port_fixed,
    )


def _tls_environment(certificate: Path) -> dict[str, str]:
    """What makes MiniStack serve HTTPS, and itself and its functions trust its certificate."""
    served_and_trusted = (
        "MINISTACK_SSL_CERT",
        "MINISTACK_SSL_KEY",
        "AWS_CA_BUNDLE",
        "SSL_CERT_FILE",
    )
    return {"USE_SSL": "1", **dict.fromkeys(served_and_trusted, str(certificate))}
