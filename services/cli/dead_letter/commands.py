"""`ultron dlq`: what the stages gave up, and sending it again or dropping it."""

import argparse
from typing import Any

from services.cli.dead_letter.handling import STAGE_NAMES, DeadLetters
from services.cli.dead_letter.rendering import (
    dropped_lines,
    letter_lines,
    letters_lines,
    redriven_lines,
)
from services.cli.deployment.target import Target
from services.cli.functions import invoke
from services.cli.options import Commands, add_command, add_group, add_json, positive, show
from shared.errors import InvalidInputError, LeaseHeldError
from shared.platform import aws
from shared.runs.failures import FailureLog

LISTED_LETTERS = 100
PLANNING_TIMEOUT_SECONDS = 310  # the ingest function may take 300


def add_to(commands: Commands) -> None:
    """Add the commands about dead-letter messages."""
    letters = add_group(commands, "dlq", "look at, redrive and drop what the stages gave up")

    listed = add_command(letters, "list", _list, "list them with their reasons")
    listed.add_argument("--stage", choices=STAGE_NAMES, metavar="STAGE", help="of one stage only")
    listed.add_argument(
        "--limit", type=positive, default=LISTED_LETTERS, metavar="N", help="default %(default)s"
    )
    shown = add_command(letters, "show", _show, "show one and its job")
    shown.add_argument("stage", choices=STAGE_NAMES, metavar="STAGE", help=", ".join(STAGE_NAMES))
    shown.add_argument("message_id", metavar="MESSAGE_ID")
    redriven = add_command(letters, "redrive", _redrive, "send it to its stage again")
    dropped = add_command(letters, "drop", _drop, "delete it for good")
    dropped.add_argument("--yes", action="store_true", help="it cannot be undone")
    for parser in (redriven, dropped):
        parser.add_argument(
            "stage", choices=STAGE_NAMES, metavar="STAGE", help=", ".join(STAGE_NAMES)
        )
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("message_id", nargs="?", metavar="MESSAGE_ID")
        which.add_argument("--all", action="store_true", help="all of the stage")
    for parser in (listed, shown, redriven, dropped):
        add_json(parser)


def _list(options: argparse.Namespace, target: Target) -> int:
    stages = (options.stage,) if options.stage else STAGE_NAMES
    show(options, _letters(target).list(stages, options.limit), letters_lines)
    return 0


def _show(options: argparse.Namespace, target: Target) -> int:
    show(options, _letters(target).show(options.stage, options.message_id), letter_lines)
    return 0


def _redrive(options: argparse.Namespace, target: Target) -> int:
    letters = _letters(target)
    if options.all:
        outcome = letters.redrive_all(options.stage)
    else:
        outcome = letters.redrive(options.stage, options.message_id)
    show(options, outcome, redriven_lines)
    return 1 if outcome["failed"] else 0


def _drop(options: argparse.Namespace, target: Target) -> int:
    if not options.yes:
        raise InvalidInputError("what is dropped cannot be brought back; add --yes if it may go")
    letters = _letters(target)
    if options.all:
        outcome = letters.drop_all(options.stage)
    else:
        outcome = letters.drop(options.stage, options.message_id)
    show(options, outcome, dropped_lines)
    return 0


def _letters(target: Target) -> DeadLetters:
    published = target.published

    def invoke_ingest(event: dict[str, Any]) -> None:
        client = aws.lambda_client(PLANNING_TIMEOUT_SECONDS)
        summary = invoke(client, target.ingest_function(), event)
        if summary.get("status") == "busy":
            raise LeaseHeldError(f"run {summary.get('run_id')} holds {event.get('corpus')}")

    return DeadLetters(
        client=aws.sqs_client(),
        deployment=published,
        failures=FailureLog(aws.dynamodb_client(), target.table_name()),
        runs=target.run_store(),
        invoke_ingest=invoke_ingest,
    )
