"""`ultron stage`: how much waits at each stage, and pausing and resuming one."""

import argparse

from services.cli.deployment.target import Target
from services.cli.options import Commands, add_command, add_group, add_json, show
from services.cli.stage.rendering import paused_lines, resumed_lines, stages_lines
from services.cli.stage.stages import STAGES, StageControl
from shared.platform import aws

LAMBDA_TIMEOUT_SECONDS = 30


def add_to(commands: Commands) -> None:
    """Add the commands about stages."""
    summary = "list, pause and resume the stages of the line"
    stage = add_group(commands, "stage", summary, example="ultron stage list")
    listed = add_command(
        stage, "list", _list, "show whether each stage runs, and how many messages it has",
        example="ultron stage list",
    )  # fmt: skip
    add_json(listed)
    for name, command, summary in (
        ("pause", _pause, "let a stage take no more messages; they stay in its queue"),
        ("resume", _resume, "let a paused stage take messages again"),
    ):
        parser = add_command(stage, name, command, summary, example=f"ultron stage {name} embedder")
        parser.add_argument("stage", choices=tuple(STAGES), metavar="STAGE", help=", ".join(STAGES))
        add_json(parser)


def _list(options: argparse.Namespace, target: Target) -> int:
    show(options, _control(target).list(), stages_lines)
    return 0


def _pause(options: argparse.Namespace, target: Target) -> int:
    show(options, _control(target).switch(STAGES[options.stage], is_on=False), paused_lines)
    return 0


def _resume(options: argparse.Namespace, target: Target) -> int:
    show(options, _control(target).switch(STAGES[options.stage], is_on=True), resumed_lines)
    return 0


def _control(target: Target) -> StageControl:
    client = aws.lambda_client(LAMBDA_TIMEOUT_SECONDS)
    return StageControl(client, aws.sqs_client(), target.published)
