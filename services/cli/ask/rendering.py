"""What the command shows, as text; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.tables import shortened


def retrieve_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """The results of `GET /retrieve`, best first."""
    results = answer.get("results") or []
    if answer.get("partial"):
        index = answer.get("index") or {}
        if damaged := index.get("damaged_shards"):
            yield f"without the damaged shards of the index: {damaged}"
        if groups := index.get("groups"):
            yield f"only {groups.get('searched')} of {groups.get('of')} parts of the index answered"
    yield from _corrected(answer)
    if not results:
        yield "nothing found"
    for number, result in enumerate(results, 1):
        meta = result.get("meta") or {}
        yield (
            f"{number}. {result['score']:.3f}  {meta.get('title') or result['id']}"
            f"  [{meta.get('entity')} {meta.get('id')}]"
        )
        for passage in (result, *(result.get("passages") or [])):
            yield f"   {shortened(passage.get('snippet') or '')}"


def chat_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `POST /chat` with its citations and its session."""
    yield from _corrected(answer)
    first, *others = str(answer["answer"]).splitlines() or [""]
    yield first
    # Indented, so that no line of an answer passes for a citation or for the session.
    yield from (f"  {line}" for line in others)
    for citation in answer.get("citations") or []:
        url = f"  {citation['url']}" if citation.get("url") else ""
        yield f"[{citation['n']}] {citation.get('title') or citation['id']}{url}"
    yield f"session {answer['session_id']}"


def _corrected(answer: Mapping[str, Any]) -> Iterator[str]:
    """Which words were searched for instead of unknown ones."""
    corrected = answer.get("corrected") or {}
    if corrected:
        instead = ", ".join(f"{known} for {word}" for word, known in corrected.items())
        yield f"searched for {instead}"
