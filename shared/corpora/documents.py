"""The corpora of a deployment: one SSM parameter each, by Terraform or by `ultron corpus add`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError
from pydantic import ValidationError

from shared.errors import ConflictError, InvalidInputError, NotFoundError, SettingsError
from shared.models.corpus import Corpus
from shared.models.forms import field_problems

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

COMMAND = "ultron"
"""What the tag `ManagedBy` of a corpus says that was added by command."""

_MANAGER_TAG = "ManagedBy"
_MAXIMUM_AGE_SECONDS = 60
# SSM's own bound for a parameter that costs nothing.
_LARGEST_DOCUMENT_BYTES = 4096


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


@dataclass(frozen=True, slots=True)
class StoredCorpus:
    """A corpus as it is kept: its document, its parameter, and who manages it."""

    name: str
    document: str
    parameter: str
    managed_by: str | None

    @property
    def is_managed_here(self) -> bool:
        """Whether the command may change it; Terraform would undo what others change of its own."""
        return self.managed_by == COMMAND

    def parse(self) -> Corpus:
        """Return what the document says.

        Raises:
            SettingsError: it is not valid; names the field.
        """
        return parse_corpus(self.document, self.parameter)


class CorpusDocuments:
    """Lists and writes the corpora of a deployment; functions see a change within a minute."""

    def __init__(self, client: "SSMClient", parameter_path: str) -> None:
        self._client = client
        self._path = parameter_path.rstrip("/")

    def list(self) -> Iterator[StoredCorpus]:
        """Yield all corpora by name."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(Path=self._path)
        found = [parameter for page in pages for parameter in page["Parameters"]]
        for parameter in sorted(found, key=lambda parameter: parameter["Name"]):
            yield self._stored(parameter["Name"], parameter["Value"])

    def find(self, name: str) -> StoredCorpus | None:
        """Return the corpus of a name, None when there is none."""
        try:
            parameter = self._client.get_parameter(Name=self._parameter(name))["Parameter"]
        except self._client.exceptions.ParameterNotFound:
            return None
        return self._stored(self._parameter(name), parameter["Value"])

    def create(self, corpus: Corpus) -> None:
        """Write a new corpus, as one that the command manages.

        Raises:
            ConflictError: there is one of that name by now.
            InvalidInputError: its document is too long to be kept.
        """
        document = corpus_document(corpus)
        try:
            self._client.put_parameter(
                Name=self._parameter(corpus.name),
                Description=f"What to ingest as the corpus {corpus.name}, and how to cut it.",
                Value=document,
                Type="String",
                Tags=[{"Key": _MANAGER_TAG, "Value": COMMAND}],
            )
        except self._client.exceptions.ParameterAlreadyExists:
            # The client repeats a call whose answer was lost, and then finds its own write.
            found = self.find(corpus.name)
            if found is None or found.document != document or not found.is_managed_here:
                raise ConflictError(
                    f"corpus {corpus.name} was added by another person or process just now"
                ) from None

    def replace(self, corpus: Corpus) -> None:
        """Write another document for a corpus that is there.

        Raises:
            InvalidInputError: its document is too long to be kept.
        """
        self._client.put_parameter(
            Name=self._parameter(corpus.name),
            Value=corpus_document(corpus),
            Type="String",
            Overwrite=True,
        )

    def delete(self, name: str) -> None:
        """Delete a corpus; a missing one is no error."""
        try:
            self._client.delete_parameter(Name=self._parameter(name))
        except self._client.exceptions.ParameterNotFound:
            return

    def _stored(self, parameter: str, document: str) -> StoredCorpus:
        answer = self._client.list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter)
        tags = {tag["Key"]: tag["Value"] for tag in answer.get("TagList", [])}
        name = parameter.rpartition("/")[2]
        return StoredCorpus(name, document, parameter, tags.get(_MANAGER_TAG))

    def _parameter(self, name: str) -> str:
        return f"{self._path}/{name}"


def corpus_document(corpus: Corpus) -> str:
    """Return the JSON to keep of a corpus: what was said of it, without the defaults.

    Raises:
        InvalidInputError: it is longer than a parameter may be.
    """
    document = corpus.model_dump_json(exclude_unset=True)
    if (size := len(document.encode())) > _LARGEST_DOCUMENT_BYTES:
        raise InvalidInputError(
            f"the document of corpus {corpus.name} has {size} bytes, and a parameter of SSM holds "
            f"{_LARGEST_DOCUMENT_BYTES}; shorten its lists and expressions"
        )
    return document


def parse_corpus(document: str, origin: str) -> Corpus:
    """Read a corpus document; `origin` says in an error where it lies.

    Raises:
        SettingsError: names each wrong field.
    """
    try:
        return Corpus.model_validate_json(document)
    except ValidationError as error:
        raise SettingsError(_not_valid(error, origin)) from None


def check_corpus(document: object, origin: str) -> Corpus:
    """Read a corpus that a client handed in, as parsed from JSON or TOML.

    Raises:
        InvalidInputError: names each wrong field.
    """
    try:
        return Corpus.model_validate(document)
    except ValidationError as error:
        raise InvalidInputError(_not_valid(error, origin)) from None


def _not_valid(error: ValidationError, origin: str) -> str:
    problems = field_problems(error, "document")
    return f"the corpus at {origin} is not valid: {problems}"


def _is_missing(error: GetParameterError) -> bool:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ClientError):
        return cause.response.get("Error", {}).get("Code") == "ParameterNotFound"
    return False
