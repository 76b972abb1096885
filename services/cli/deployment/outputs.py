"""Where a deployment is found: what `terraform output -json` says of it."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInputError
from shared.foreign_json import parse_foreign_json


class Deployment(BaseModel):
    """The outputs of terraform/ that a client uses; others are passed over.

    `api_url` is AWS's own name of the API; see `base_url` for the one to call.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name_prefix: str
    api_id: str
    api_stage: str
    api_url: str
    api_key: str = Field(repr=False)
    bucket_name: str
    checkpoint_table: str
    region: str
    default_corpus: str
    function_names: dict[str, str]
    queue_urls: dict[str, str]
    dead_letter_queue_urls: dict[str, str]

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """Read the JSON of `terraform output -json`.

        Raises:
            InvalidInputError: it is something else; names `where` and the outputs that lack.
        """
        try:
            document: dict[str, Any] = parse_foreign_json(text)
            return cls.model_validate({name: item["value"] for name, item in document.items()})
        except ValidationError as error:
            lacking = ", ".join(
                sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False)})
            )
            raise InvalidInputError(
                f"{where} lacks outputs of this project's Terraform ({lacking}); "
                "write it with `terraform output -json` after an apply"
            ) from None
        except (ValueError, AttributeError, TypeError, KeyError):
            raise InvalidInputError(
                f"{where} is not what `terraform output -json` prints; write it with that command"
            ) from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that holds the outputs.

        Raises:
            InvalidInputError: it cannot be read, or is something else.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"{path} cannot be read ({type(error).__name__}); "
                "write it with `terraform output -json`"
            ) from error
        return cls.parse(text, str(path))

    def base_url(self, endpoint_url: str | None) -> str:
        """The URL below which the API's paths are; a local AWS serves it under its own endpoint.

        The path is the one that MiniStack and LocalStack share.
        """
        if endpoint_url is None:
            return self.api_url.rstrip("/")
        return f"{endpoint_url.rstrip('/')}/_aws/execute-api/{self.api_id}/{self.api_stage}"
