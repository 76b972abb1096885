"""What `ultron corpus` shows, as text; pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.tables import shortened, table_lines


def corpora_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """All corpora, one a line."""
    corpora = document["corpora"]
    if not corpora:
        yield "there are no corpora; `ultron corpus add FILE` adds one"
        return
    header = ("corpus", "kind", "schedule", "managed by", "last run")
    yield from table_lines([header, *map(_corpus_cells, corpora)], left=range(len(header)))
    for corpus in corpora:
        if "problem" in corpus:
            yield f"warning: {corpus['problem']}"


def corpus_lines(corpus: Mapping[str, Any]) -> Iterator[str]:
    """One corpus, with its document."""
    kind = corpus["kind"] or "not valid"
    yield f"corpus {corpus['name']} ({kind}), managed by {corpus['managed_by']}"
    if "problem" in corpus:
        yield f"warning: {corpus['problem']}"
    for rule in corpus["rules"]:
        yield f"rule {rule['name']}: {rule['expression']}, {rule['state'].lower()}"
    if not corpus["rules"]:
        yield "no rules: its runs begin by `ultron run start` only"
    run = corpus["last_run"]
    yield f"last run: {_last_run(run)}" + (f", {run['run_id']}" if run else "")
    yield f"document ({corpus['parameter']}):"
    yield from json.dumps(corpus["document"], indent=2, ensure_ascii=False).split("\n")


def added_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What adding a corpus did."""
    name = outcome["corpus"]
    yield {
        "added": f"corpus {name} is added; the functions know it within a minute",
        "replaced": f"corpus {name} is changed; the functions know it within a minute",
        "unchanged": f"corpus {name} was there already, just so",
    }[outcome["change"]]
    if outcome["reads_again"]:
        yield "what was read before was forgotten: its next run reads the whole source"
    for rule in outcome["rules"]:
        yield f"rule {rule['name']}: {rule['expression']}"
    when = " after that minute" if outcome["change"] == "replaced" else ""
    yield f"`ultron run start --corpus {name}`{when} begins a run"


def removed_lines(outcome: Mapping[str, Any], bucket_name: str) -> Iterator[str]:
    """What removing a corpus did, and what is left of it."""
    yield f"corpus {outcome['corpus']} is removed, and so are its rules"
    if outcome["objects_deleted"]:
        yield f"{outcome['objects_deleted']} objects of its index and vectors are deleted"
    if not outcome["stay"]:
        return
    yield "its data stays; delete it when it is no longer needed:"
    for prefix in outcome["stay"]:
        yield f"  aws s3 rm --recursive s3://{bucket_name}/{prefix}"
    if any(prefix.startswith("indexes/") for prefix in outcome["stay"]):
        yield (
            "a later corpus of this name would go on with that index; "
            f"`ultron corpus remove {outcome['corpus']} --delete-index` deletes the index too"
        )


def trial_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """What a corpus would make of its first records."""
    yield from _extent_lines(answer)
    for entity in answer["entities"]:
        yield ""
        yield f"{entity['key']}  {shortened(entity['title'])}"
        if entity["text"]:
            yield f"   {shortened(entity['text'])}  ({entity['text_characters']} characters)"
        facts = {
            "modified": entity["modified"],
            "urls": ", ".join(entity["urls"]),
            "attribution": entity["attribution"],
            **entity["metadata"],
        }
        for name, value in facts.items():
            if value not in (None, "", []):
                yield f"   {name}: {shortened(_plain(value))}"
        for warning in entity["warnings"]:
            yield f"   warning: {warning}"
    for reject in answer["rejects"]:
        yield ""
        kind = "left out" if reject["is_left_out"] else "rejected"
        yield f"{kind}: {_reject_reason(reject)}"
        yield f"   {shortened(reject['raw'])}"
    for warning in answer["warnings"]:
        yield ""
        yield f"warning: {warning}"


def _extent_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    records = answer["records_of_source"]
    more = " and more, each known from the one before" if answer["has_chained_pages"] else ""
    of_source = f"; the source speaks of {_counted(records, 'record')}" if records else ""
    yield (
        f"{answer['corpus']}: {_counted(answer['records'], 'record')} of "
        f"{_counted(answer['pages_read'], 'page')} tried, nothing kept; a full run would plan "
        f"{_counted(answer['pages_of_source'], 'page')}{more}{of_source}"
    )


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _reject_reason(reject: Mapping[str, Any]) -> str:
    where = f"{reject['field_path']}: " if reject["field_path"] else ""
    return f"{where}{reject['reason']}"


def _corpus_cells(corpus: Mapping[str, Any]) -> tuple[str, ...]:
    schedule = ", ".join(f"{mode} {when}" for mode, when in corpus["schedule"].items())
    return (
        corpus["name"],
        corpus["kind"] or "not valid",
        schedule or "none",
        corpus["managed_by"],
        _last_run(corpus["last_run"]),
    )


def _last_run(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return "none yet"
    return f"{run['status']} ({run['mode']}, {run['ended_at'] or run['started_at']})"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
