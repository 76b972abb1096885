"""What `ultron dlq` shows, as text; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.dead_letter.messages import field_lines
from services.cli.tables import shortened


def messages_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """All dead-letter messages, with the reason of each."""
    messages = document["dead_letters"]
    if not messages:
        yield "there are no dead-letter messages"
    for message in messages:
        when = message["failed_at"] or message["sent_at"] or "some time ago"
        yield f"{message['stage']} {message['message_id']}  {when}"
        yield f"   {message['about']}"
        yield f"   {_reason(message)}"
    for stage, count in document["hidden"].items():
        yield (
            f"{stage}: about {count} more are hidden, because another process reads them; "
            "look again in a minute"
        )
    for stage in document["more"]:
        yield f"{stage}: there are more; --limit shows them"


def message_lines(message: Mapping[str, Any]) -> Iterator[str]:
    """One dead-letter message, with its job."""
    yield f"message {message['message_id']} of {message['stage']}: {message['about']}"
    for name in ("sent_at", "failed_at"):
        if message[name]:
            yield f"{name.replace('_', ' ')} {message[name]}"
    yield _reason(message, whole=True)
    if isinstance(message["job"], dict):
        yield "job:"
        yield from field_lines(message["job"])
    else:
        yield f"body, which is no job: {message['job']}"


def redriven_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What was sent again."""
    count = len(outcome["redriven"])
    yield f"{count} {'message' if count == 1 else 'messages'} of {outcome['stage']} sent again"
    for message_id, reason in outcome["failed"].items():
        yield f"{message_id} stays: {reason}"


def dropped_lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What was deleted, and what that means."""
    if not outcome["dropped"]:
        yield f"there are no dead-letter messages of {outcome['stage']}"
    for message_id, meaning in outcome["dropped"].items():
        yield f"{message_id} is dropped: {meaning}"


def _reason(message: Mapping[str, Any], *, whole: bool = False) -> str:
    code = f"{message['code']}: " if message["code"] else ""
    reason = message["reason"] if whole else shortened(message["reason"])
    return f"{code}{reason}"
