"""Names that a person gave, checked before they become part of a key or a request."""

import argparse
import re

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidInputError
from shared.models.base import CorpusName, RunId
from shared.models.forms import field_problems
from shared.models.maintenance import ShardId

_CORPUS_NAME: TypeAdapter[str] = TypeAdapter(CorpusName)
_RUN_ID: TypeAdapter[str] = TypeAdapter(RunId)
_SHARD_ID: TypeAdapter[str] = TypeAdapter(ShardId)
_OF_FUNCTIONS = (r"[A-Za-z0-9_:-]{1,170}", "letters, digits, _ and -, such as ultron-ingest")
_ADDRESS_FORMS = {
    "name_prefix": (
        r"[A-Za-z0-9_.-]{1,100}",
        "letters, digits, hyphens, dots and underscores, such as ultron",
    ),
    "checkpoint_table": (r"[A-Za-z0-9_.-]{3,255}", "3 to 255 letters, digits, _, . and -"),
    "bucket_name": (
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "3 to 63 lower-case letters, digits, dots and hyphens",
    ),
}


def require_corpus_name(name: str) -> None:
    """Make sure that a corpus can have this name.

    Raises:
        InvalidInputError: none can.
    """
    try:
        _CORPUS_NAME.validate_python(name)
    except ValidationError as error:
        raise InvalidInputError(
            f"{name!r} names no corpus: {field_problems(error, 'the name')}; "
            "`ultron corpus list` shows the corpora"
        ) from None


def require_names(options: argparse.Namespace) -> None:
    """Make sure that the ids and names in the options of a command can be such.

    Raises:
        InvalidInputError: one cannot; says what one looks like, and which command lists them.
    """
    if (corpus := getattr(options, "corpus", None)) is not None:
        require_corpus_name(corpus)
    if (run_id := getattr(options, "run_id", None)) is not None:
        _require(_RUN_ID, run_id, "`ultron run list --corpus NAME` shows the runs")
    if (shard := getattr(options, "shard", None)) is not None:
        _require(_SHARD_ID, shard, "`ultron index shards --corpus NAME` shows the shards")


def require_address(option: str, value: str) -> None:
    """Make sure that the name of a part of a deployment can be one, before AWS refuses it.

    Raises:
        InvalidInputError: it cannot; says what one looks like.
    """
    pattern, words = _ADDRESS_FORMS.get(option, _OF_FUNCTIONS)
    if not re.fullmatch(pattern, value):
        raise InvalidInputError(
            f"{value!r} cannot be the {option.replace('_', ' ')}: it must be {words}"
        )


def _require(form: TypeAdapter[str], text: str, advice: str) -> None:
    try:
        form.validate_python(text)
    except ValidationError as error:
        raise InvalidInputError(f"{field_problems(error, repr(text))}; {advice}") from None
