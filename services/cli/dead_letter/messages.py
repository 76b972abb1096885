"""What a dead-letter message is about: read from its body, whatever that holds. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from services.cli.corpus.schedules import KINDS
from services.cli.dead_letter.dead_letter_queue import DeadLetterMessage
from shared.errors import InvalidInputError
from shared.foreign_json import parse_foreign_json
from shared.models.jobs import Job

SCHEDULE = "ingest"
"""The stage whose dead-letter messages are events of the schedule."""

_NO_REASON = "no reason was recorded: the function could not start; see its log"
_LONGEST_SHOWN_BODY = 2000


def body_of(message: DeadLetterMessage) -> dict[str, Any]:
    """Return the job or event, empty when the body is none."""
    try:
        document = parse_foreign_json(message.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def page_job(body: Mapping[str, Any]) -> Job | None:
    """Return whose page a job is about, None when it is about none."""
    try:
        return Job.model_validate(
            {name: body.get(name) for name in Job.model_fields if name in body}
        )
    except ValidationError:
        return None


def subject(body: Mapping[str, Any]) -> str:
    """Say in a few words what a job or event is about."""
    words = [str(body.get("kind", "")) or ("event" if body else "unreadable")]
    for name, label in (
        ("corpus", ""), ("mode", ""), ("run_id", "run "), ("page_id", "page "), ("part", "part "),
        ("rebuild_id", "rebuild "), ("step", "step "),
    ):  # fmt: skip
        if body.get(name) is not None:
            words.append(f"{label}{body[name]}")
    return " ".join(words)


def description(
    stage: str, message: DeadLetterMessage, recorded: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what is known of a message; `recorded` is what its stage noted when it gave it up."""
    body = body_of(message)
    code, reason = _reason(message, recorded)
    return {
        "stage": stage,
        "message_id": message.message_id,
        "sent_at": message.sent_at.isoformat(timespec="seconds") if message.sent_at else None,
        "failed_at": recorded.get("failed_at") if recorded else None,
        "code": code,
        "reason": reason,
        "about": subject(body),
        "job": body or message.body[:_LONGEST_SHOWN_BODY],
    }


def _reason(
    message: DeadLetterMessage, recorded: Mapping[str, Any] | None
) -> tuple[str | None, str]:
    if recorded:
        return str(recorded["code"]), str(recorded["reason"])
    # What Lambda and EventBridge say about a message that they could not deliver.
    attributes = {name.upper().replace("_", ""): v for name, v in message.attributes.items()}
    if "ERRORMESSAGE" in attributes:
        return attributes.get("ERRORCODE"), attributes["ERRORMESSAGE"]
    return None, _NO_REASON


def event_to_send(message: DeadLetterMessage, rule_prefix: str) -> dict[str, Any]:
    """Return the event that a dead-letter message of the schedule was to become.

    Lambda hands over the event itself, EventBridge what its rule had seen.

    Raises:
        InvalidInputError: it is no event of the schedule.
    """
    body = body_of(message)
    if isinstance(body.get("corpus"), str):
        return body
    resources = body.get("resources")
    arns = [message.attributes.get("RULE_ARN"), *(resources if isinstance(resources, list) else [])]
    for arn in arns:
        name = str(arn).rpartition("/")[2]
        for kind in KINDS:
            if name.startswith(f"{rule_prefix}-{kind}-"):
                corpus = name.removeprefix(f"{rule_prefix}-{kind}-")
                return _event_of_rule(kind, corpus, body)
    raise InvalidInputError(
        f"message {message.message_id} is no event of the schedule and cannot be sent again; "
        f"`ultron dlq drop {SCHEDULE} {message.message_id} --yes` removes it"
    )


def _event_of_rule(kind: str, corpus: str, body: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "upkeep":
        return {"kind": "maintain", "corpus": corpus}
    event: dict[str, Any] = {
        "corpus": corpus,
        "mode": "full" if kind == "full" else "incremental",
    }
    return event | {
        name: body[field]
        for name, field in (("request_id", "id"), ("time", "time"))
        if field in body
    }


def meaning_of_drop(stage: str, body: Mapping[str, Any]) -> str:
    """Say what it means that a job or event is not done."""
    job = page_job(body)
    if job is not None:
        return (
            f"page {job.page_id} of run {job.run_id} stays failed and the run incomplete; "
            f"the next run of {job.corpus} reads it again"
        )
    corpus = body.get("corpus", "its corpus")
    return {
        "sweep": f"what vanished from the source of {corpus} stays until its next full run",
        "rebuild": f"the rebuild stops; `ultron index rebuild --corpus {corpus}` begins another",
        "compact": f"the shards of {corpus} stay apart until its next upkeep",
        "maintain": f"the index of {corpus} is looked after at its next upkeep",
    }.get(
        str(body.get("kind")),
        "that run does not take place"
        if stage == SCHEDULE
        else "it was no job, so nothing waits for it",
    )


def field_lines(value: Any, indent: str = "  ") -> Iterator[str]:
    """Yield a job's fields, a line each, those of objects under their name."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield f"{indent}{name}:"
            yield from field_lines(item, indent + "  ")
        elif isinstance(item, list):
            yield f"{indent}{name}: {', '.join(map(str, item))}"
        else:
            yield f"{indent}{name}: {item}"
