"""`ultron dlq`: what the stages gave up, and sending it again or dropping it."""

import argparse
from typing import Any

from services.cli.dead_letter.handling import STAGE_NAMES, DeadLetterMessages
from services.cli.dead_letter.rendering import (
    dropped_lines,
    message_lines,
    messages_lines,
    redriven_lines,
)
from services.cli.deployment.target import Target
from services.cli.functions import invoke
from services.cli.options import Commands, add_command, add_group, add_json, positive, show
from shared.errors import InvalidInputError, LeaseHeldError
from shared.platform import aws
from shared.runs.failures import FailureLog

LISTED_MESSAGES = 100
PLANNING_TIMEOUT_SECONDS = 310  # the ingest function may take 300
_EXAMPLE_MESSAGE_ID = "3f2a9c1e-7b64-4d0a-9e55-0c1d2e3f4a5b"
_MESSAGE_ID_HELP = "id of the message, from `ultron dlq list`"


def add_to(commands: Commands) -> None:
    """Add the commands about dead-letter messages."""
    summary = "list, show, redrive and drop dead-letter messages"
    messages = add_group(commands, "dlq", summary, example="ultron dlq list")
    _add_listing(messages)
    shown = add_command(
        messages, "show", _show, "show a dead-letter message and its job",
        example=f"ultron dlq show embedder {_EXAMPLE_MESSAGE_ID}",
    )  # fmt: skip
    _add_stage(shown)
    shown.add_argument("message_id", metavar="MESSAGE_ID", help=_MESSAGE_ID_HELP)
    add_json(shown)
    redriven = add_command(
        messages, "redrive", _redrive, "send a dead-letter message to its stage again",
        example=f"ultron dlq redrive embedder {_EXAMPLE_MESSAGE_ID}\n"
        "ultron dlq redrive embedder --all",
    )  # fmt: skip
    _add_chosen(redriven)
    dropped = add_command(
        messages, "drop", _drop, "delete a dead-letter message; its page stays failed",
        example=f"ultron dlq drop embedder {_EXAMPLE_MESSAGE_ID} --yes",
    )  # fmt: skip
    dropped.add_argument("--yes", action="store_true", help="required: it cannot be undone")
    _add_chosen(dropped)


def _add_listing(messages: Commands) -> None:
    listed = add_command(
        messages, "list", _list, "list the dead-letter messages with their reasons",
        example="ultron dlq list --stage embedder",
    )  # fmt: skip
    listed.add_argument("--stage", choices=STAGE_NAMES, metavar="STAGE", help="of one stage only")
    listed.add_argument(
        "--limit",
        type=positive,
        default=LISTED_MESSAGES,
        metavar="N",
        help="at most so many; default %(default)s",
    )
    add_json(listed)


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", choices=STAGE_NAMES, metavar="STAGE", help=", ".join(STAGE_NAMES))


def _add_chosen(parser: argparse.ArgumentParser) -> None:
    """Which dead-letter messages of a stage the command is about: one, or all."""
    _add_stage(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("message_id", nargs="?", metavar="MESSAGE_ID", help=_MESSAGE_ID_HELP)
    which.add_argument("--all", action="store_true", help="all of the stage")
    add_json(parser)


def _list(options: argparse.Namespace, target: Target) -> int:
    stages = (options.stage,) if options.stage else STAGE_NAMES
    show(options, _messages(target).list(stages, options.limit), messages_lines)
    return 0


def _show(options: argparse.Namespace, target: Target) -> int:
    show(options, _messages(target).show(options.stage, options.message_id), message_lines)
    return 0


def _redrive(options: argparse.Namespace, target: Target) -> int:
    messages = _messages(target)
    if options.all:
        outcome = messages.redrive_all(options.stage)
    else:
        outcome = messages.redrive(options.stage, options.message_id)
    show(options, outcome, redriven_lines)
    return 1 if outcome["failed"] else 0


def _drop(options: argparse.Namespace, target: Target) -> int:
    if not options.yes:
        raise InvalidInputError("what is dropped cannot be brought back; add --yes if it may go")
    messages = _messages(target)
    if options.all:
        outcome = messages.drop_all(options.stage)
    else:
        outcome = messages.drop(options.stage, options.message_id)
    show(options, outcome, dropped_lines)
    return 0


def _messages(target: Target) -> DeadLetterMessages:
    published = target.published

    def invoke_ingest(event: dict[str, Any]) -> None:
        client = aws.lambda_client(PLANNING_TIMEOUT_SECONDS)
        summary = invoke(client, target.ingest_function(), event)
        if summary.get("status") == "busy":
            raise LeaseHeldError(f"run {summary.get('run_id')} holds {event.get('corpus')}")

    return DeadLetterMessages(
        client=aws.sqs_client(),
        deployment=published,
        failures=FailureLog(aws.dynamodb_client(), target.table_name()),
        runs=target.run_store(),
        invoke_ingest=invoke_ingest,
    )
