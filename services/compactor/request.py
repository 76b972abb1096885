"""What may be asked of the compactor directly: one of its tasks, by name."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from aws_lambda_powertools.utilities.parser import ValidationError, parse
from pydantic import Field, model_validator

from shared.errors import InvalidInputError
from shared.models.base import Contract, CorpusName
from shared.models.forms import field_problems
from shared.models.maintenance import ShardId


class CorpusTask(Contract):
    """A task on the index of a corpus."""

    corpus: CorpusName


class RestoreTask(CorpusTask):
    """Bring a version of the index back."""

    version: Annotated[int, Field(ge=1)]


class MarkBadTask(CorpusTask):
    """Take a shard out of the index and, unless told otherwise, rebuild what it held."""

    shard: ShardId
    rebuild: bool = True


class DirectRequest(Contract):
    """Exactly one task."""

    restore: RestoreTask | None = None
    mark_bad: MarkBadTask | None = None
    rebuild: CorpusTask | None = None
    maintain: CorpusTask | None = None

    @model_validator(mode="after")
    def _has_one_task(self) -> Self:
        tasks = (getattr(self, name) for name in type(self).model_fields)
        if sum(task is not None for task in tasks) != 1:
            raise ValueError("name one task")
        return self

    @property
    def corpus(self) -> CorpusName:
        """Whose index the task is about."""
        tasks = (getattr(self, name) for name in type(self).model_fields)
        corpus: CorpusName = next(task.corpus for task in tasks if task is not None)
        return corpus


def parse_request(event: Mapping[str, Any]) -> DirectRequest:
    """Read the event of a direct invocation.

    Raises:
        InvalidInputError: names each wrong field.
    """
    try:
        return parse(event=dict(event), model=DirectRequest)
    except ValidationError as error:
        problems = field_problems(error, "event")
        raise InvalidInputError(
            f'the request is not valid: {problems}; send {{"restore": {{"corpus": "…", '
            '"version": 1}}, {"rebuild": {"corpus": "…"}}, {"maintain": {"corpus": "…"}} or '
            '{"mark_bad": {"corpus": "…", "shard": "…", "rebuild": true}}'
        ) from None
