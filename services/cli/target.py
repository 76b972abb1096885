"""The deployment that a command speaks to."""

import argparse
from pathlib import Path

from services.cli.api import ApiClient
from services.cli.deployment import Deployment
from services.cli.settings import CommandSettings
from shared import aws
from shared.errors import SettingsError
from shared.state.runs import RunStore
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore


class Target:
    """Finds each address when it is needed: an option, the outputs file, or the environment."""

    def __init__(self, options: argparse.Namespace, settings: CommandSettings) -> None:
        self._options = options
        self._settings = settings
        path = options.outputs or settings.ultron_outputs
        self._deployment = Deployment.read(Path(path)) if path else None

    def api(self) -> ApiClient:
        """Client of its API."""
        found = self._deployment
        url = found.base_url(self._settings.aws_endpoint_url) if found else None
        key = found.api_key if found else None
        return ApiClient(
            self._one("api_url", url, self._settings.ultron_api_url),
            self._one("api_key", key, self._settings.ultron_api_key),
        )

    def runs(self) -> RunStore:
        """The records of its runs."""
        table = self._deployment.checkpoint_table if self._deployment else None
        name = self._one("checkpoint_table", table, self._settings.ultron_checkpoint_table)
        return RunStore(aws.dynamodb_client(), name)

    def objects(self) -> ObjectStore:
        """Its bucket."""
        bucket = self._deployment.bucket_name if self._deployment else None
        name = self._one("bucket_name", bucket, self._settings.ultron_bucket_name)
        return S3ObjectStore(aws.s3_client(), name)

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
        return self._one(f"{name}_function", found, of_environment)

    def _one(self, name: str, of_outputs: str | None, of_environment: str | None) -> str:
        chosen: str | None = getattr(self._options, name, None) or of_outputs or of_environment
        if not chosen:
            raise SettingsError(
                f"say which deployment: --outputs FILE, --{name.replace('_', '-')}"
                f" or ULTRON_{name.upper()}"
            )
        return chosen
