"""What `ultron stage` shows, as text; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.tables import table_lines

_COUNTS = {
    "waiting": "waiting",
    "in_flight": "in flight",
    "delayed": "delayed",
    "dead_letters": "dead-letter messages",
}


def stages_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """All stages, one a line."""
    header = ("stage", "state", *_COUNTS.values())
    rows = [
        (stage["stage"], stage["state"], *(str(stage[name]) for name in _COUNTS))
        for stage in document["stages"]
    ]
    yield from table_lines([header, *rows], left={0, 1})
    yield "counts are SQS's own, about a minute behind"
    for stage in document["stages"]:
        if stage["state"] == "disabled":
            yield _retention_line(stage)


def paused_lines(stage: Mapping[str, Any]) -> Iterator[str]:
    """A stage that does not read its queue any more."""
    yield f"the stage {stage['stage']} is paused; what it was at work on is finished"
    yield _retention_line(stage)


def resumed_lines(stage: Mapping[str, Any]) -> Iterator[str]:
    """A stage that reads its queue again."""
    yield f"the stage {stage['stage']} is at work; about {stage['waiting']} messages wait for it"


def _retention_line(stage: Mapping[str, Any]) -> str:
    return (
        f"{stage['stage']}: messages are lost {stage['kept_days']:g} days after they were sent; "
        f"`ultron stage resume {stage['stage']}` before that"
    )
