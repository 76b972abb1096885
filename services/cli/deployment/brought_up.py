"""The deployment that was last brought up in a checkout, written down for the `ultron` command.

The script that brings one up writes `.local/deployment.json`; the command reads it when nothing
else names a deployment. The command checks that it describes a local AWS: its credentials go to no
other machine.
"""

import os
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

import urllib3
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.cli.deployment.outputs import Deployment
from services.cli.errors import UnavailableError
from shared.errors import SettingsError
from shared.platform.aws import LocalAccount

PLACE = Path(".local") / "deployment.json"
PACKAGE_CHECKOUT = Path(__file__).resolve().parents[3]
_TIMEOUT = urllib3.Timeout(connect=2, read=10)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _of_this_machine(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.hostname not in _LOOPBACK:
        raise ValueError("is not the URL of a server on this machine")
    return url


class BroughtUp(BaseModel):
    """Where a deployment on a local AWS is.

    `title` and `command` are what it is called and what brings it up. `outputs` is the file of
    `terraform output -json`, from the folder of the document, so that a checkout can be moved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    command: Annotated[str, Field(min_length=1)]
    endpoint_url: Annotated[str, AfterValidator(_of_this_machine)]
    region: Annotated[str, Field(min_length=1)]
    access_key_id: Annotated[str, Field(min_length=1)]
    secret_access_key: Annotated[str, Field(min_length=1, repr=False)]
    outputs: Annotated[str, Field(min_length=1)]

    @property
    def account(self) -> LocalAccount:
        """What AWS clients need to reach it, and nothing else."""
        return LocalAccount(
            self.endpoint_url, self.region, self.access_key_id, self.secret_access_key
        )

    def write(self, checkout: Path) -> None:
        """Make it the deployment that was last brought up in a checkout."""
        path = checkout / PLACE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the document of a checkout.

        Raises:
            SettingsError: it cannot be read or is something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = type(error).__name__
            if isinstance(error, ValidationError):
                problems = error.errors(include_input=False, include_url=False)
                reason = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems)
            raise SettingsError(
                f"{path} does not describe a deployment ({reason}); delete it, or bring the "
                "deployment up again"
            ) from None


class FoundDeployment:
    """A deployment that was found and answers: its outputs, and how to reach it."""

    def __init__(self, path: Path, document: BroughtUp) -> None:
        """Look whether it is there.

        Raises:
            SettingsError, InvalidInputError: its outputs are gone or something else.
            UnavailableError: it is down, or another one answers at its endpoint.
        """
        self.document = document
        self.checkout = path.parents[1]
        self._outputs_path = path.parent / document.outputs
        if not self._outputs_path.exists():
            raise SettingsError(f"{self._title} has no outputs any more; {self._advice}")
        self.outputs = Deployment.read(self._outputs_path)
        self._expect_alive()

    @property
    def notice(self) -> str:
        """Which one it is, for an operator who did not name one."""
        return f"{self._title}, at {self.document.endpoint_url}"

    @property
    def _title(self) -> str:
        return f"{self.document.title} of {self.checkout}"

    @property
    def _advice(self) -> str:
        return (
            f"`{self.document.command}` in that folder brings it up; for another deployment "
            "give --outputs FILE"
        )

    def _expect_alive(self) -> None:
        """Ask its API for a path that needs a key: this one answer shows whose endpoint it is.

        An API that is there refuses, without starting a function; one that is not is not found.
        """
        endpoint = self.document.endpoint_url
        url = f"{self.outputs.base_url(endpoint)}/retrieve"
        try:
            with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as pool:
                status = pool.request("GET", url).status
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(
                f"{self._title} is down: nothing answers at {endpoint} "
                f"({type(error).__name__}); {self._advice}"
            ) from error
        if status == 404:
            raise UnavailableError(
                f"{self._title} is down: what answers at {endpoint} is another server, which "
                f"does not have it; {self._advice}"
            )


def last_brought_up(package_checkout: Path, folder: Path) -> FoundDeployment | None:
    """The deployment last brought up, if any: in the package's own checkout, or around `folder`.

    The package's checkout comes first, so that the command of a checkout speaks to that checkout's
    deployment wherever it is called. The one around `folder` counts when the package is installed
    outside a checkout; a document there that another user wrote is refused.

    Raises:
        SettingsError, InvalidInputError: there is a document, and it is wrong.
        UnavailableError: there is one, and the deployment is down.
    """
    own = package_checkout / PLACE
    if own.exists():
        return FoundDeployment(own, BroughtUp.read(own))
    for directory in (folder, *folder.parents):
        path = directory / PLACE
        if path.exists():
            if path.stat().st_uid != os.getuid():
                raise SettingsError(
                    f"{path} belongs to another user, so it is not used; give --outputs FILE"
                )
            return FoundDeployment(path, BroughtUp.read(path))
    return None
