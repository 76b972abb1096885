"""The corpora of a deployment: one SSM parameter each, written by Terraform."""

from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError
from pydantic import ValidationError

from shared.errors import NotFoundError, SettingsError
from shared.models.corpus import Corpus

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_MAXIMUM_AGE_SECONDS = 60


class CorpusRegistry:
    """Reads corpora by name; answers are kept for a minute."""

    def __init__(self, client: "SSMClient", parameter_path: str) -> None:
        self._provider = SSMProvider(boto3_client=client)
        self._path = parameter_path.rstrip("/")

    def get(self, name: str) -> Corpus:
        """Return the corpus.

        Raises:
            NotFoundError: there is none of that name.
            SettingsError: its document is not valid; names the field.
        """
        try:
            document = self._provider.get(f"{self._path}/{name}", max_age=_MAXIMUM_AGE_SECONDS)
        except GetParameterError as error:
            if _is_missing(error):
                raise NotFoundError(f"there is no corpus named {name!r}") from None
            raise
        return parse_corpus(str(document), f"{self._path}/{name}")


def _is_missing(error: GetParameterError) -> bool:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ClientError):
        return cause.response.get("Error", {}).get("Code") == "ParameterNotFound"
    return False


def parse_corpus(document: str, origin: str) -> Corpus:
    """Read a corpus document; `origin` says in an error where it lies.

    Raises:
        SettingsError: names each wrong field.
    """
    try:
        return Corpus.model_validate_json(document)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'document'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"the corpus at {origin} is not valid: {problems}") from None
