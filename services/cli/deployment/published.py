"""What a deployment says of itself in the SSM parameter `/<name_prefix>/deployment`."""

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import NotFoundError, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class ScheduleAddresses(BaseModel):
    """What rules of EventBridge are made of.

    `default_incremental` and `maintenance` are the expressions for corpora that have none of their
    own; None where the deployment's schedule is off.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ingest_function_arn: str
    dead_letter_arn: str
    compact_queue_arn: str
    rule_prefix: str
    default_incremental: str | None
    maintenance: str | None


class PublishedDeployment(BaseModel):
    """Names and addresses of a deployment; others that the parameter holds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name_prefix: str
    bucket_name: str
    checkpoint_table: str
    corpora_parameter_path: str
    default_corpus: str
    functions: dict[str, str]
    queue_urls: dict[str, str]
    dead_letter_queue_urls: dict[str, str]
    models: dict[str, dict[str, Any]]
    schedule: ScheduleAddresses

    @classmethod
    def read(cls, client: "SSMClient", name_prefix: str) -> Self:
        """Read the parameter of a deployment.

        Raises:
            NotFoundError: there is no such deployment in this account and region.
            SettingsError: the parameter is of another release; names the fields.
        """
        name = f"/{name_prefix}/deployment"
        try:
            text = client.get_parameter(Name=name)["Parameter"]["Value"]
        except client.exceptions.ParameterNotFound:
            raise NotFoundError(
                f"there is no parameter {name}; is {name_prefix} the deployment's name_prefix, and "
                "are these its account and region?"
            ) from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            fields = ", ".join(
                sorted({".".join(map(str, e["loc"])) for e in error.errors(include_input=False)})
            )
            raise SettingsError(
                f"the parameter {name} lacks what this release needs ({fields}); "
                "apply the Terraform of this release"
            ) from None
