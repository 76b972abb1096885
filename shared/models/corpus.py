"""A corpus as configuration: one JSON document in SSM, written by Terraform."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.models.base import Contract, CorpusName

MarvelEndpoint = Literal["characters", "comics", "series", "events", "stories", "creators"]


class ChunkingSettings(Contract):
    """Lengths in characters."""

    target_characters: Annotated[int, Field(ge=80, le=4000)] = 280
    overlap_characters: Annotated[int, Field(ge=0, le=1000)] = 40

    @model_validator(mode="after")
    def _overlap_is_less_than_half(self) -> "ChunkingSettings":
        if self.overlap_characters * 2 > self.target_characters:
            raise ValueError("overlap_characters must be at most half of target_characters")
        return self


class MarvelSource(Contract):
    """The Marvel Comics API, or anything that speaks its wire format.

    `base_url` ends before `/v1/public`. `secret_name` is below the deployment's own prefix and
    holds `{"public_key": …, "private_key": …}`.
    """

    kind: Literal["marvel"] = "marvel"
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]
    endpoints: Annotated[tuple[MarvelEndpoint, ...], Field(min_length=1)] = (
        "characters", "comics", "series", "events", "stories", "creators",
    )  # fmt: skip
    page_size: Annotated[int, Field(ge=1, le=100)] = 100
    secret_name: Annotated[str, Field(min_length=1, max_length=100)] = "marvel"  # noqa: S105
    daily_call_budget: Annotated[int, Field(ge=1)] = 3000


class JsonlSource(Contract):
    """JSON lines (`.jsonl`, `.jsonl.gz`) below a prefix of the bucket; an object a page.

    The `*_field` settings name the field of a record that makes each part of an entity.
    """

    kind: Literal["jsonl"] = "jsonl"
    prefix: Annotated[str, Field(pattern=r"^sources/[a-z0-9][A-Za-z0-9_./-]*/$")]
    entity_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")] = "document"
    id_field: str = "id"
    title_field: str = "title"
    text_field: str = "text"
    url_field: str | None = "url"
    modified_field: str | None = None
    metadata_fields: tuple[str, ...] = ()


class Corpus(Contract):
    """What to ingest and how to cut it.

    A full run deletes the entities that it no longer sees, unless they are more than
    `maximum_vanished_share` of the index: then the source is rather broken than empty.
    """

    name: CorpusName
    source: Annotated[MarvelSource | JsonlSource, Field(discriminator="kind")]
    chunking: ChunkingSettings = ChunkingSettings()
    maximum_vanished_share: Annotated[float, Field(ge=0, le=1)] = 0.5
