"""Tells what listens at an endpoint: MiniStack, LocalStack, or AWS itself.

The first two say so at their health paths (MiniStack also answers at LocalStack's, but does not
have all of them); AWS is known by its name and is never asked.
"""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from scripts.bundling.native.native_target import TargetName

Kind = Literal["MiniStack", "LocalStack", "AWS"]
AWS_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "api.aws")
HEALTH_TIMEOUT_SECONDS = 10.0
_SHOWN_VERSION_PARTS = 3
# Where LocalStack's containers reach LocalStack, whatever port the machine has it on, and the name
# by which they know that machine (docker-compose.localstack.yml sees to it).
ENDPOINT_IN_CONTAINERS = "http://localhost.localstack.cloud:4566"
MACHINE_IN_CONTAINERS = "host.docker.internal"
LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - only while a suite runs on a LocalStack in Docker


class TargetError(Exception):
    """It cannot be told what listens at an endpoint; one sentence that says what to do."""


@dataclass(frozen=True)
class Target:
    """What listens at an endpoint; `is_in_container` when its functions are in others beside it.

    `log_path` is where it writes its log, when whoever started it has said so.
    """

    endpoint_url: str
    kind: Kind
    version: str
    is_in_container: bool = False
    log_path: Path | None = None

    @property
    def title(self) -> str:
        """Its name and version, for a person."""
        return f"{self.kind} {self.version}".strip()

    @property
    def bundles(self) -> TargetName:
        """For whom bundles are built: MiniStack runs functions with this machine's own Python."""
        return {"MiniStack": "local", "LocalStack": "lambda", "AWS": "aws"}[self.kind]  # type: ignore[return-value]

    @property
    def functions_endpoint_url(self) -> str:
        """The endpoint as its functions reach it."""
        return ENDPOINT_IN_CONTAINERS if self.is_in_container else self.endpoint_url

    @property
    def machine_host(self) -> str:
        """The name or address by which its functions reach servers on this machine."""
        return MACHINE_IN_CONTAINERS if self.is_in_container else LOOPBACK

    @property
    def source_host(self) -> str:
        """The address that those servers bind: containers do not reach the loopback's."""
        return EVERY_ADDRESS if self.is_in_container else LOOPBACK


def detect(endpoint_url: str, certificate: Path | None = None) -> Target:
    """Ask an endpoint what it is; `certificate` is what to trust of one that has its own.

    Raises:
        TargetError: it is no URL, nothing answers there, or something else does.
    """
    url = endpoint_url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError(
            f"The endpoint {endpoint_url!r} is no URL: name one such as http://localhost:4566."
        )
    if parts.hostname.endswith(AWS_DOMAINS):
        return Target(url, "AWS", "")
    # In this order: to LocalStack a path of MiniStack's is a bucket, and it loads S3 to say no.
    opener = _opener(certificate)
    health = _ask(opener, f"{url}/_localstack/health")
    info = _ask(opener, f"{url}/_localstack/info") if "services" in health else {}
    if "is_docker" in info:
        version = ".".join(str(health.get("version", "")).split(".")[:_SHOWN_VERSION_PARTS])
        return Target(url, "LocalStack", version, bool(info["is_docker"]))
    health = _ask(opener, f"{url}/_ministack/health")
    if "services" in health:
        return Target(url, "MiniStack", str(health.get("version", "")))
    raise TargetError(
        f"What listens at {endpoint_url} is neither MiniStack nor LocalStack (neither health path"
        " answers as theirs do): end it, or name another ENDPOINT."
    )


def _opener(certificate: Path | None) -> urllib.request.OpenerDirector:
    """What asks: never through a proxy, which does not know a local AWS."""
    context = ssl.create_default_context(cafile=certificate)
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def _ask(opener: urllib.request.OpenerDirector, url: str) -> dict[str, Any]:
    """The JSON object at a URL; empty when what answers there is not that."""
    try:
        with opener.open(url, timeout=HEALTH_TIMEOUT_SECONDS) as response:
            document = json.loads(response.read())
    except (urllib.error.HTTPError, ValueError):
        return {}
    except OSError as error:
        place = urlsplit(url)
        raise TargetError(
            f"Nothing answers at {place.scheme}://{place.netloc} ({error}): start a local AWS there"
            " (`make demo`, `make localstack-up`) or name another ENDPOINT."
        ) from error
    return document if isinstance(document, dict) else {}
