"""Settings of the command: the environment, over it the outputs file, over both the options.

Where none of them says anything, the deployment last brought up is meant (`brought_up.py`).
"""

from typing import Annotated

from pydantic import Field

from shared.platform.settings import ServiceSettings

Name = Annotated[str, Field(min_length=1)]


class CommandSettings(ServiceSettings):
    """Where a deployment is found; every one may come from an option or an outputs file instead.

    `aws_endpoint_url` is the local AWS, as for every AWS tool; `term` the kind of terminal.
    """

    ultron_outputs: Name | None = None
    ultron_name_prefix: Name | None = None
    ultron_api_url: Name | None = None
    ultron_api_key: Name | None = Field(default=None, repr=False)
    ultron_checkpoint_table: Name | None = None
    ultron_bucket_name: Name | None = None
    ultron_ingest_function: Name | None = None
    ultron_compactor_function: Name | None = None
    ultron_retrieve_function: Name | None = None
    aws_endpoint_url: Name | None = None
    term: str | None = None

    @property
    def names_deployment(self) -> bool:
        """Whether the environment says which deployment is meant, in part at least."""
        return any(
            value is not None
            for name, value in self.model_dump().items()
            if name.startswith("ultron_") or name == "aws_endpoint_url"
        )

    @property
    def can_redraw(self) -> bool:
        """Whether the terminal, where there is one, follows control sequences."""
        return self.term != "dumb"
