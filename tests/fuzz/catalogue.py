"""Which targets there are, and in which module each group of them is."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from tests.fuzz.target import Target

CORPUS = Path(__file__).parent / "corpus"
REGRESSIONS = Path(__file__).parent / "regressions"

# Named here as well, so that a process imports, and instruments, the groups of its targets only.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "index_files": (
        "array_archive",
        "catalog",
        "catalog_header",
        "graph",
        "manifest",
        "model_description",
        "sidecar",
        "vectors",
    ),
    "messages": ("dead_letter", "group_answer", "job", "json_lines", "page_query", "shard_key"),
    "api_events": ("chat_event", "retrieve_event"),
    "objects": (
        "csv",
        "expression",
        "gzip",
        "json_document",
        "json_line_ranges",
        "stored_object",
    ),
    "records": ("mapped_record", "marvel_record", "web_page", "wiki_page"),
    "requests": (
        "api_answer",
        "chat_request",
        "compactor_request",
        "corpus_document",
        "corpus_file",
        "ingest_request",
        "retrieve_payload",
        "retrieve_query",
    ),
    "answers": (
        "link_header",
        "marvel_answer",
        "page_answer",
        "page_line",
        "response_headers",
        "robots",
        "sitemap",
        "wiki_answer",
    ),
    "sources": ("foreign_source", "page_job"),
    "texts": ("chunking", "date", "html_text", "printing", "question", "words"),
}
NAMES = tuple(name for names in GROUPS.values() for name in names)


def load(name: str) -> Target:
    """Return a target; raises KeyError where there is none of that name."""
    group = next((group for group, names in GROUPS.items() if name in names), None)
    if group is None:
        raise KeyError(name)
    targets: Mapping[str, Target] = import_module(f"tests.fuzz.{group}").TARGETS
    return targets[name]


def seeds(name: str, target: Target) -> Iterator[bytes]:
    """Yield what every run begins with: made inputs, committed ones, former failures."""
    yield from target.seeds()
    for folder in (CORPUS / name, REGRESSIONS / name):
        for path in sorted(folder.glob("*")):
            yield path.read_bytes()
