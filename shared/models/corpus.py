"""A corpus as configuration: one JSON document in SSM, written by Terraform or `ultron corpus`."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.models.base import Contract, CorpusName
from shared.models.forms import form
from shared.models.mapping import FieldMapping
from shared.models.sources import AnySource, HttpJsonSource, JsonlSource

_CRON = r"cron\([^ )]+( [^ )]+){5}\)"
_RATE = r"rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\)"


def _as_eventbridge_wants_it(expression: str) -> str:
    if re.fullmatch(f"{_CRON}|{_RATE}", expression) is None:
        raise ValueError("must be cron(…) with six fields, rate(1 hour) or rate(2 hours)")
    return expression


ScheduleExpression = Annotated[
    str, StringConstraints(max_length=256), AfterValidator(_as_eventbridge_wants_it)
]
"""An expression of EventBridge, in UTC: `cron(0 6 * * ? *)`, `rate(6 hours)`."""


class ChunkingSettings(Contract):
    """Lengths in characters."""

    target_characters: Annotated[int, Field(ge=80, le=4000)] = 280
    overlap_characters: Annotated[int, Field(ge=0, le=1000)] = 40

    @model_validator(mode="after")
    def _overlap_is_less_than_half(self) -> "ChunkingSettings":
        if self.overlap_characters * 2 > self.target_characters:
            raise ValueError("overlap_characters must be at most half of target_characters")
        return self


class CorpusSchedule(Contract):
    """When runs begin by themselves; None: never of that mode."""

    incremental: ScheduleExpression | None = None
    full: ScheduleExpression | None = None


class Corpus(Contract):
    """What to ingest, when, and how to cut it.

    Without a `schedule` the deployment's holds. `model` is the id of one of the deployment's
    models; without it, its default one. `mapping` is for sources whose records have no shape of
    their own (`jsonl`, `http_json`). A full run deletes the entities that it no longer sees,
    unless they are more than `maximum_vanished_share` of the index: then the source is rather
    broken than empty.
    """

    name: CorpusName
    source: Annotated[AnySource, Field(discriminator="kind")]
    mapping: FieldMapping | None = None
    chunking: ChunkingSettings = ChunkingSettings()
    schedule: CorpusSchedule | None = None
    model: (
        Annotated[
            str,
            Field(
                pattern=form(
                    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
                    "the id of a deployed model, such as all-MiniLM-L6-v2-int8",
                )
            ),
        ]
        | None
    ) = None
    maximum_vanished_share: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _mapping_is_for_mapped_sources(self) -> "Corpus":
        if self.mapping is not None and not isinstance(self.source, JsonlSource | HttpJsonSource):
            raise ValueError(f"a {self.source.kind} source needs no mapping; leave it out")
        return self

    @property
    def field_mapping(self) -> FieldMapping:
        """The mapping of its records, the default one where none was given."""
        return self.mapping or FieldMapping()
