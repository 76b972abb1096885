"""Credentials of sources, from Secrets Manager."""

from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from shared.errors import SourceCredentialsError
from shared.foreign_json import parse_foreign_json
from shared.sources.marvel.signing import MarvelKeys

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# Short enough that a rotated key is in use within a few minutes.
_MAXIMUM_AGE_SECONDS = 300


class _KeyPair(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    public_key: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
    private_key: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class SourceSecrets:
    """Reads secrets below a prefix; answers are kept for five minutes."""

    def __init__(self, client: "SecretsManagerClient", prefix: str) -> None:
        self._provider = SecretsProvider(boto3_client=client)
        self._prefix = prefix.rstrip("/")

    def marvel_keys(self, name: str) -> MarvelKeys:
        """Return the key pair in the secret `<prefix>/<name>`.

        Raises:
            SourceCredentialsError: there is no such secret, or it holds something else.
        """
        document = self._document(name)
        try:
            pair = _KeyPair.model_validate_json(document)
        except ValidationError:
            # `from None`: the library's error would quote the secret.
            raise SourceCredentialsError(
                f'the secret {self._full_name(name)} is not {{"public_key": …, "private_key": …}}'
            ) from None
        return MarvelKeys(pair.public_key, pair.private_key)

    def field(self, name: str, field: str) -> str:
        """Return one text of the JSON object in the secret `<prefix>/<name>`.

        Raises:
            SourceCredentialsError: there is no such secret, or no such text in it.
        """
        document = self._document(name)
        try:
            fields = parse_foreign_json(document)
        except ValueError:
            fields = None
        value = fields.get(field) if isinstance(fields, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise SourceCredentialsError(
                f"the secret {self._full_name(name)} is no JSON object with a text {field!r}; "
                "put the credential there, or name another secret_field in the corpus"
            )
        return value.strip()

    def _full_name(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _document(self, name: str) -> str:
        try:
            document = self._provider.get(self._full_name(name), max_age=_MAXIMUM_AGE_SECONDS)
        except GetParameterError as error:
            if not _is_missing(error):
                raise  # a failure of AWS itself: the job is delivered again
            raise SourceCredentialsError(
                f"there is no secret {self._full_name(name)}; create it, or name another in "
                "the corpus"
            ) from None
        return str(document)


def _is_missing(error: GetParameterError) -> bool:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ClientError):
        return cause.response.get("Error", {}).get("Code") == "ResourceNotFoundException"
    return False
