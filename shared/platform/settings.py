"""Settings come from the environment, once, through here; nothing else reads `os.environ`."""

from typing import Annotated, Self

from pydantic import Field, Json, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import SettingsError
from shared.index.maintenance.compaction_plan import MEGABYTE, CompactionPolicy
from shared.models.forms import form, problem_words

_POLICY = CompactionPolicy()

ModelPrefix = Annotated[
    str,
    Field(pattern=form(r"^models/[^/]+/[^/]+/$", "models/<id>/<revision>/, as Terraform sets it")),
]


class ServiceSettings(BaseSettings):
    """Base of each service's settings: a field `bucket_name` is the variable `BUCKET_NAME`."""

    model_config = SettingsConfigDict(frozen=True, case_sensitive=False, extra="ignore")

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: names every variable that is missing or malformed.
        """
        try:
            return cls()
        except ValidationError as error:
            problems = ", ".join(
                f"{str(e['loc'][0]).upper() if e['loc'] else cls.__name__}: {problem_words(e)}"
                for e in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(
                f"the function's environment variables are wrong: {problems}; "
                "set them on the function (terraform/ does)"
            ) from None


class SourceSettings(ServiceSettings):
    """What a service needs that speaks to sources.

    `outbound_allowed_hosts` are hosts, `host:port` and networks, separated by commas, that may be
    called although they are not public. One call waits `maximum_wait_seconds` in all at most; a
    source that refused every call for `maximum_refusal_seconds` is given up.
    """

    checkpoint_table: Annotated[str, Field(min_length=1)]
    corpora_parameter_path: Annotated[str, Field(min_length=1)]
    source_secret_prefix: Annotated[str, Field(min_length=1)]
    outbound_allowed_hosts: str = ""
    maximum_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 10.0
    maximum_refusal_seconds: Annotated[float, Field(ge=0, le=86_400)] = 900.0


class StageSettings(ServiceSettings):
    """What every queue stage needs; a failed message first returns after `retry_delay_seconds`.

    Any stage may end the last page of a full run, whose sweep goes to the compactor's queue.
    """

    bucket_name: Annotated[str, Field(min_length=1)]
    checkpoint_table: Annotated[str, Field(min_length=1)]
    queue_url: Annotated[str, Field(min_length=1)]
    compact_queue_url: Annotated[str, Field(min_length=1)]
    maximum_receives: Annotated[int, Field(ge=1, le=999)] = 5
    retry_delay_seconds: Annotated[int, Field(ge=0, le=900)] = 10


class ModelSettings(ServiceSettings):
    """Which models are deployed: `models/<id>/<revision>/`, by id and for corpora that name none.

    Which of them a corpus has stands in its document, below `corpora_parameter_path`.
    """

    model_prefix: ModelPrefix
    model_prefixes: Annotated[Json[dict[str, ModelPrefix]], NoDecode] = Field(
        default_factory=dict, validate_default=False
    )
    corpora_parameter_path: Annotated[str, Field(min_length=1)]

    @property
    def models(self) -> ModelPrefixes:
        """Which model each corpus has."""
        return ModelPrefixes(self.model_prefix, self.model_prefixes)


class PublishingStageSettings(StageSettings):
    """What a stage needs that hands work on."""

    next_queue_url: Annotated[str, Field(min_length=1)]
    publish_copies: Annotated[int, Field(ge=1, le=3)] = 1


class CompactionSettings(StageSettings):
    """What a stage needs that asks for merges of shards that are too small."""

    compaction_fan_in: Annotated[int, Field(ge=2, le=64)] = _POLICY.fan_in
    shard_minimum_mb: Annotated[int, Field(ge=1)] = _POLICY.minimum_bytes // MEGABYTE
    shard_maximum_mb: Annotated[int, Field(ge=1)] = _POLICY.maximum_bytes // MEGABYTE

    @property
    def compaction_policy(self) -> CompactionPolicy:
        """When shards are merged."""
        return CompactionPolicy(
            fan_in=self.compaction_fan_in,
            minimum_bytes=self.shard_minimum_mb * MEGABYTE,
            maximum_bytes=self.shard_maximum_mb * MEGABYTE,
        )
