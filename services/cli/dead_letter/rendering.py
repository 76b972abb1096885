"""What `ultron dlq` shows, as text; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.dead_letter.messages import field_lines
from services.cli.tables import shortened


def letters_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """All dead-letter messages, with the reason of each."""
    letters = document["dead_letters"]
    if not letters:
        yield "there are no dead letters"
    for letter in letters:
        when = letter["failed_at"] or letter["sent_at"] or "some time ago"
        yield f"{letter['stage']} {letter['message_id']}  {when}"
        yield f"   {letter['about']}"
        yield f"   {_reason(letter)}"
    for stage, count in document["hidden"].items():
        yield (
            f"{stage}: about {count} more are hidden, as somebody else looks at them; "
            "look again in a minute"
        )
    for stage in document["more"]:
        yield f"{stage}: there are more; --limit shows them"


def letter_lines(letter: Mapping[str, Any]) -> Iterator[str]:
    """One dead-letter message, with its job."""
    yield f"message {letter['message_id']} of {letter['stage']}: {letter['about']}"
    for name in ("sent_at", "failed_at"):
        if letter[name]:
            yield f"{name.replace('_', ' ')} {letter[name]}"
    yield _reason(letter, whole=True)
    if isinstance(letter["job"], dict):
        yield "job:"
        yield from field_lines(letter["job"])
    else:
        yield f"body, which is no job: {letter['job']}"


def redriven_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What was sent again."""
    count = len(outcome["redriven"])
    yield f"{count} {'message' if count == 1 else 'messages'} of {outcome['stage']} sent again"
    for message_id, reason in outcome["failed"].items():
        yield f"{message_id} stays: {reason}"


def dropped_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What was deleted, and what that means."""
    if not outcome["dropped"]:
        yield f"there are no dead letters of {outcome['stage']}"
    for message_id, meaning in outcome["dropped"].items():
        yield f"{message_id} is dropped: {meaning}"


def _reason(letter: Mapping[str, Any], *, whole: bool = False) -> str:
    code = f"{letter['code']}: " if letter["code"] else ""
    reason = letter["reason"] if whole else shortened(letter["reason"])
    return f"{code}{reason}"
