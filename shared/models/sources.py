"""What each kind of source can be told; `kind` says which it is."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.models.base import Contract
from shared.models.expressions import Expression
from shared.models.forms import form
from shared.models.mapping import EntityType

MEGABYTE = 1024 * 1024
_MOST_EXTRACTS = 20

MarvelEndpoint = Literal["characters", "comics", "series", "events", "stories", "creators"]
MARVEL_ENDPOINTS: tuple[MarvelEndpoint, ...] = (
    "characters", "comics", "series", "events", "stories", "creators",
)  # fmt: skip

WebAddress = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^https?://[^\s/@]+(/[^\s]*)?$",
            "a URL, such as https://example.com/path, without a user name",
        ),
        max_length=2000,
    ),
]
SecretName = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^[A-Za-z0-9_.-]{1,100}$", "1 to 100 letters, digits, underscores, dots and hyphens"
        )
    ),
]
ParameterName = Annotated[
    str,
    StringConstraints(
        pattern=form(r"^[^\s=&#]{1,100}$", "1 to 100 characters without spaces, =, & and #")
    ),
]
HeaderName = Annotated[
    str,
    StringConstraints(
        pattern=form(r"^[A-Za-z0-9-]{1,100}$", "1 to 100 letters, digits and hyphens")
    ),
]
HeaderValue = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^[\x21-\x7e][\x20-\x7e]{0,999}$",
            "1 to 1,000 characters of ASCII, not beginning with a space",
        )
    ),
]
BucketPrefix = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^sources/[a-z0-9][A-Za-z0-9_./-]*/$",
            "a prefix below sources/ that ends with /, such as sources/manuals/",
        )
    ),
]
ReplayPrefix = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^(sources|raw)/[a-z0-9][A-Za-z0-9_./-]*/$",
            "a prefix below sources/ or raw/ that ends with /, such as sources/manuals/",
        )
    ),
]


class RateLimit(Contract):
    """How often a source may be called, by all workers together; None: no such bound."""

    calls_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None
    burst: Annotated[int, Field(ge=1, le=1000)] = 1
    calls_per_day: Annotated[int, Field(ge=1)] | None = None


class MarvelSource(Contract):
    """The Marvel Comics API, or anything that speaks its wire format.

    `base_url` ends before `/v1/public`. `secret_name` is below the deployment's own prefix and
    holds `{"public_key": …, "private_key": …}`. Corpora that share a secret share its limits.
    """

    kind: Literal["marvel"] = "marvel"
    base_url: WebAddress
    endpoints: Annotated[tuple[MarvelEndpoint, ...], Field(min_length=1)] = MARVEL_ENDPOINTS
    page_size: Annotated[int, Field(ge=1, le=100)] = 100
    secret_name: SecretName = "marvel"  # noqa: S105 - a name, no secret
    rate: RateLimit = RateLimit(calls_per_day=3000)


class MarvelArchiveSource(Contract):
    """Dumps of the Marvel API below a prefix of the bucket; an object a page.

    An object holds one record a line (`.jsonl`, `.jsonl.gz`), as this project keeps them below
    `raw/`, or one answer of the API (`.json`, `.json.gz`). The folder or the beginning of its name
    says which endpoint it is of: `characters/0001.json`, `characters-00001.jsonl.gz`.
    """

    kind: Literal["marvel_archive"] = "marvel_archive"
    prefix: ReplayPrefix
    endpoints: Annotated[tuple[MarvelEndpoint, ...], Field(min_length=1)] = MARVEL_ENDPOINTS


class JsonlSource(Contract):
    """Objects below a prefix of the bucket: `.jsonl`, `.json`, `.csv`, each also as `.gz`.

    Plain `.jsonl` objects larger than `page_bytes` are cut into pages at line ends; other objects
    are a page each. `items` says where the records of a `.json` object are. The first row of a
    `.csv` object names its columns; each further row is a record of texts.
    """

    kind: Literal["jsonl"] = "jsonl"
    prefix: BucketPrefix
    page_bytes: Annotated[int, Field(ge=1024, le=32 * MEGABYTE)] = 8 * MEGABYTE
    items: Expression = "@"
    csv_delimiter: Literal[",", ";", "\t", "|"] = ","


class HttpAuth(Contract):
    """A credential that goes into each request: a field of a JSON secret, behind `prefix`.

    The secret is `<deployment>/sources/<secret_name>`.
    """

    place: Literal["header", "query"] = "header"
    name: ParameterName = "Authorization"
    prefix: Annotated[str, Field(max_length=50)] = ""
    secret_name: SecretName
    secret_field: Annotated[str, Field(min_length=1, max_length=100)] = "token"  # noqa: S105


class OffsetPaging(Contract):
    """`?offset=0&limit=100`; with a total the pages are planned at once, else one by one."""

    style: Literal["offset"] = "offset"
    offset_parameter: ParameterName = "offset"
    limit_parameter: ParameterName = "limit"
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 100


class NumberPaging(Contract):
    """`?page=1&per_page=100`; with a total the pages are planned at once, else one by one."""

    style: Literal["number"] = "number"
    page_parameter: ParameterName = "page"
    size_parameter: ParameterName | None = None
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    first_page: Annotated[int, Field(ge=0, le=1)] = 1


class CursorPaging(Contract):
    """Each answer holds the cursor of the next, and none in the last."""

    style: Literal["cursor"] = "cursor"
    cursor_parameter: ParameterName = "cursor"
    next_cursor: Expression


class LinkPaging(Contract):
    """Each answer names the next in its header `Link: <…>; rel="next"` (RFC 8288)."""

    style: Literal["link"] = "link"


class NextUrlPaging(Contract):
    """Each answer holds the address of the next, and none in the last."""

    style: Literal["next_url"] = "next_url"
    next_url: Expression


class SinglePage(Contract):
    """One answer has it all."""

    style: Literal["single"] = "single"


Paging = OffsetPaging | NumberPaging | CursorPaging | LinkPaging | NextUrlPaging | SinglePage


class HttpJsonSource(Contract):
    """Any JSON API that is read in pages.

    `items` is where an answer has its records, `total` how many there are in all. An incremental
    run sends the time of the last good run as `since_parameter`, where one is named.
    """

    kind: Literal["http_json"] = "http_json"
    url: WebAddress
    query: Annotated[dict[ParameterName, str], Field(max_length=50)] = Field(default_factory=dict)
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=20)] = Field(
        default_factory=dict
    )
    items: Expression = "@"
    total: Expression | None = None
    paging: Annotated[Paging, Field(discriminator="style")] = SinglePage()
    since_parameter: ParameterName | None = None
    auth: HttpAuth | None = None
    rate: RateLimit = RateLimit(calls_per_second=5, burst=5)


class MediaWikiSource(Contract):
    """A wiki by its `api.php`: all pages of a namespace, or those of a category.

    `text` is `wikitext` (stripped here, fifty pages a request) or `extract` (plain text made by the
    wiki, where it has the extension TextExtracts).
    """

    kind: Literal["mediawiki"] = "mediawiki"
    api_url: WebAddress
    namespace: Annotated[int, Field(ge=0, le=9999)] = 0
    category: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    text: Literal["wikitext", "extract"] = "wikitext"
    titles_per_request: Annotated[int, Field(ge=1, le=50)] | None = None
    maximum_lag_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    entity_type: EntityType = "page"
    rate: RateLimit = RateLimit(calls_per_second=5, burst=5)

    @model_validator(mode="after")
    def _extracts_come_twenty_at_a_time(self) -> "MediaWikiSource":
        if self.text == "extract" and (self.titles_per_request or 0) > _MOST_EXTRACTS:
            raise ValueError("with text = extract, titles_per_request must be at most 20")
        return self

    @property
    def titles_at_once(self) -> int:
        """How many texts are asked for at once: as many as wikis give, unless it is set."""
        return self.titles_per_request or (_MOST_EXTRACTS if self.text == "extract" else 50)


class SitemapSource(Contract):
    """The pages of a web site that its sitemap names and its robots.txt allows.

    Only pages below one of `url_prefixes` are read, if there are any; never those of other hosts.
    """

    kind: Literal["sitemap"] = "sitemap"
    sitemap_url: WebAddress
    url_prefixes: Annotated[tuple[WebAddress, ...], Field(max_length=50)] = ()
    maximum_pages: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    urls_per_page: Annotated[int, Field(ge=1, le=50)] = 10
    entity_type: EntityType = "page"
    rate: RateLimit = RateLimit(calls_per_second=1)


AnySource = (
    MarvelSource
    | MarvelArchiveSource
    | JsonlSource
    | HttpJsonSource
    | MediaWikiSource
    | SitemapSource
)
