"""What the command shows, as text; pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.models.run import RunProgress

_COUNTERS = (
    "raw_records", "entities", "edges", "rejects", "chunks", "chunks_unchanged", "vectors",
    "shards", "entities_deleted",
)  # fmt: skip
_SNIPPET_CHARACTERS = 160


def progress_line(progress: RunProgress) -> str:
    """One line of how far a run is; counters that are zero are left out, pages never."""
    ended = progress.pages_done + progress.pages_gap + progress.pages_failed
    planned = progress.run.pages_planned
    pages = f"pages {ended}/{'?' if planned is None else planned}"
    special = [
        f"{count} {name}"
        for name, count in (
            ("unchanged", progress.pages_unchanged),
            ("gaps", progress.pages_gap),
            ("failed", progress.pages_failed),
        )
        if count
    ]
    if special:
        pages += f" ({', '.join(special)})"
    counters = [
        f"{name.replace('_', ' ')} {count}"
        for name in _COUNTERS
        if (count := getattr(progress, name))
    ]
    return " · ".join([progress.run.status, pages, *counters])


def ending_line(progress: RunProgress) -> str:
    """How a run ended, and why if not well."""
    run = progress.run
    reason = f" ({run.reason})" if run.reason else ""
    return f"run {run.run_id} {run.status}{reason}"


def run_lines(progress: RunProgress) -> Iterator[str]:
    """A whole run, a fact a line."""
    run = progress.run
    yield f"run {run.run_id} of {run.corpus} ({run.mode}): {run.status}"
    yield f"started {run.started_at}" + (f", ended {run.ended_at}" if run.ended_at else "")
    if run.reason:
        yield f"reason: {run.reason}"
    yield progress_line(progress)


def retrieve_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """The results of `GET /retrieve`, best first."""
    results = answer.get("results") or []
    if answer.get("partial"):
        groups = (answer.get("index") or {}).get("groups") or {}
        searched, of = groups.get("searched", "some"), groups.get("of", "all")
        yield f"only {searched} of {of} parts of the index answered"
    if not results:
        yield "nothing found"
    for number, result in enumerate(results, 1):
        meta = result.get("meta") or {}
        yield (
            f"{number}. {result['score']:.3f}  {meta.get('title') or result['id']}"
            f"  [{meta.get('entity')} {meta.get('id')}]"
        )
        yield f"   {shortened(result.get('snippet') or '')}"


def chat_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `POST /chat` with its citations and its session."""
    yield str(answer["answer"])
    for citation in answer.get("citations") or []:
        url = f"  {citation['url']}" if citation.get("url") else ""
        yield f"[{citation['n']}] {citation.get('title') or citation['id']}{url}"
    yield f"session {answer['session_id']}"


def shortened(text: str, characters: int = _SNIPPET_CHARACTERS) -> str:
    """The text on one line, cut at a word when it is longer."""
    line = " ".join(text.split())
    if len(line) <= characters:
        return line
    return line[: characters - 1].rsplit(" ", 1)[0] + "…"


def joined(lines: Iterable[str]) -> str:
    """Lines as one text."""
    return "\n".join(lines)
