"""The deployment that a command speaks to."""

import argparse
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from services.cli.ask.api import ApiClient
from services.cli.deployment.brought_up import FoundDeployment
from services.cli.deployment.outputs import Deployment
from services.cli.deployment.published import PublishedDeployment
from services.cli.deployment.settings import CommandSettings
from services.cli.names import require_address
from services.cli.output import write_notice
from shared.corpora.documents import CorpusDocuments
from shared.errors import SettingsError
from shared.platform import aws, wiring
from shared.runs.run_reader import RunReader
from shared.runs.run_store import RunStore
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore

_ADDRESSES = (
    "outputs", "name_prefix", "api_url", "api_key", "checkpoint_table", "bucket_name",
    "ingest_function", "compactor_function", "retrieve_function",
)  # fmt: skip


_OF_THE_API = frozenset({"api_url", "api_key"})


def names_deployment(options: argparse.Namespace, settings: CommandSettings) -> bool:
    """Whether the operator names a deployment, at least in part.

    Then no part of another one is ever taken to complete it.
    """
    return settings.names_deployment or any(getattr(options, name, None) for name in _ADDRESSES)


class Target:
    """Finds each address when it is needed.

    In this order: an option, the outputs file, the environment, and what the deployment of a known
    name prefix has published of itself. Where none of them is given, all addresses are those of the
    deployment `found`.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        settings: CommandSettings,
        found: FoundDeployment | None,
    ) -> None:
        self._options = options
        self._settings = settings
        self._is_named = names_deployment(options, settings)
        self._endpoint_url = settings.aws_endpoint_url
        path = options.outputs or settings.ultron_outputs
        self._deployment = Deployment.read(Path(path)) if path else None
        if self._deployment is not None and (unused := self._unused_variables(self._deployment)):
            write_notice(
                f"using {self._deployment.name_prefix}, which {path} describes, and not the other "
                f"deployment that the environment names ({', '.join(unused)})"
            )
        if found is not None:
            self._deployment = found.outputs
            self._endpoint_url = found.document.endpoint_url

    def _unused_variables(self, deployment: Deployment) -> list[str]:
        """The variables of the environment that the outputs file overrides by another value."""
        functions = deployment.function_names
        of_outputs = {
            "ultron_name_prefix": deployment.name_prefix,
            "ultron_api_url": deployment.base_url(self._endpoint_url),
            "ultron_api_key": deployment.api_key,
            "ultron_checkpoint_table": deployment.checkpoint_table,
            "ultron_bucket_name": deployment.bucket_name,
            "ultron_ingest_function": functions.get("ingest"),
            "ultron_compactor_function": functions.get("compactor"),
            "ultron_retrieve_function": functions.get("retrieve"),
        }
        return [
            name.upper()
            for name, value in of_outputs.items()
            if value and getattr(self._settings, name) not in {None, value}
        ]

    @property
    def can_redraw(self) -> bool:
        """Whether a terminal of the person follows control sequences."""
        return self._settings.can_redraw

    def api(self) -> ApiClient:
        """Client of its API."""
        found = self._deployment
        url = found.base_url(self._endpoint_url) if found else None
        key = found.api_key if found else None
        return ApiClient(
            self._one("api_url", url, self._settings.ultron_api_url),
            self._one("api_key", key, self._settings.ultron_api_key),
        )

    @cached_property
    def published(self) -> PublishedDeployment:
        """What it says of itself.

        Raises:
            SettingsError: no setting names a deployment, or it is of another release.
            NotFoundError: there is none of that name prefix.
        """
        prefix = self._deployment.name_prefix if self._deployment else None
        name_prefix = self._one("name_prefix", prefix, self._settings.ultron_name_prefix)
        return PublishedDeployment.read(aws.ssm_client(), name_prefix)

    @property
    def has_name(self) -> bool:
        """Whether the name prefix is known, and with it what the deployment says of itself."""
        prefix = self._deployment.name_prefix if self._deployment else None
        return self._chosen("name_prefix", prefix, self._settings.ultron_name_prefix) is not None

    def corpora(self) -> CorpusDocuments:
        """Its corpora."""
        return CorpusDocuments(aws.ssm_client(), self.published.corpora_parameter_path)

    def runs(self) -> RunReader:
        """The records of its runs, to be looked at."""
        return RunReader(aws.dynamodb_client(), self.table_name())

    def run_store(self) -> RunStore:
        """The records of its runs, for a command that may end one."""
        return wiring.run_store(self.table_name(), self.published.queue_urls["compact-jobs"])

    def objects(self) -> ObjectStore:
        """Its bucket."""
        return S3ObjectStore(aws.s3_client(), self.bucket_name())

    def table_name(self) -> str:
        """Name of its one table."""
        found = self._deployment.checkpoint_table if self._deployment else None
        name = self._chosen("checkpoint_table", found, self._settings.ultron_checkpoint_table)
        return name or self._published("checkpoint_table", lambda d: d.checkpoint_table)

    def bucket_name(self) -> str:
        """Name of its one bucket."""
        found = self._deployment.bucket_name if self._deployment else None
        name = self._chosen("bucket_name", found, self._settings.ultron_bucket_name)
        return name or self._published("bucket_name", lambda d: d.bucket_name)

    def ingest_function(self) -> str:
        """Name of its ingest function."""
        return self._function("ingest", self._settings.ultron_ingest_function)

    def compactor_function(self) -> str:
        """Name of its compactor function."""
        return self._function("compactor", self._settings.ultron_compactor_function)

    def retrieve_function(self) -> str:
        """Name of its retrieve function."""
        return self._function("retrieve", self._settings.ultron_retrieve_function)

    def _function(self, name: str, of_environment: str | None) -> str:
        found = self._deployment.function_names.get(name) if self._deployment else None
        chosen = self._chosen(f"{name}_function", found, of_environment)
        return chosen or self._published(f"{name}_function", lambda d: d.functions.get(name))

    def _published(
        self, name: str, of_published: Callable[[PublishedDeployment], str | None]
    ) -> str:
        """An address that a deployment of a known name prefix publishes, too."""
        known = self._chosen("name_prefix", None, self._settings.ultron_name_prefix)
        return self._required(name, of_published(self.published) if known else None)

    def _one(self, name: str, of_outputs: str | None, of_environment: str | None) -> str:
        return self._required(name, self._chosen(name, of_outputs, of_environment))

    def _chosen(self, name: str, of_outputs: str | None, of_environment: str | None) -> str | None:
        chosen = getattr(self._options, name, None) or of_outputs or of_environment
        if chosen and name not in _OF_THE_API:
            require_address(name, chosen)
        return chosen

    def _required(self, name: str, chosen: str | None) -> str:
        if not chosen:
            raise SettingsError(
                f"say which deployment: --outputs FILE, --{name.replace('_', '-')}"
                f" or ULTRON_{name.upper()}{self._hint()}"
            )
        return chosen

    def _hint(self) -> str:
        if not self._is_named:
            return "; `make demo` brings one up that is found without them"
        if self._settings.aws_endpoint_url is not None:
            return "; while AWS_ENDPOINT_URL is set, the one that was last brought up is not used"
        return ""
