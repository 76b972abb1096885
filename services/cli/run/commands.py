"""`ultron ingest` and `ultron run`."""

import argparse
import sys
from typing import get_args

from services.cli.deployment.target import Target
from services.cli.errors import EXIT_RUN_NOT_SUCCEEDED
from services.cli.options import (
    Command,
    Commands,
    add_command,
    add_corpus,
    add_group,
    add_json,
    add_timeout,
    positive,
    show,
)
from services.cli.output import write_line, write_notice
from services.cli.run.progress import ProgressDisplay
from services.cli.run.rendering import (
    ending_line,
    gap_lines,
    run_lines,
    run_list_lines,
    steering_line,
)
from services.cli.run.running import Action, start_run, steer_run, watch_run
from shared.errors import NotFoundError
from shared.models.run import RunMode
from shared.platform import aws

PLANNING_TIMEOUT_SECONDS = 310  # the ingest function may take 300
_RUNS_SHOWN = 20
_EXAMPLE_RUN_ID = "20261123T060000Z-1a2b3c4d"


def add_to(commands: Commands) -> None:
    """Add the commands about runs."""
    summary = "start, list, watch and steer runs"
    run = add_group(commands, "run", summary, example="ultron run list --corpus marvel")
    _add_start(commands, "ingest", "ultron ingest --corpus marvel --wait")
    _add_start(run, "start", "ultron run start --corpus marvel --mode full --wait")
    listed = add_command(
        run, "list", _list, "list the newest runs of a corpus", "checkpoint_table",
        example="ultron run list --corpus marvel --limit 5",
    )  # fmt: skip
    add_corpus(listed)
    listed.add_argument(
        "--limit",
        type=positive,
        default=_RUNS_SHOWN,
        metavar="N",
        help="at most so many; default %(default)s",
    )
    add_json(listed)
    add_json(_add_of_run(run, "show", _show, "show a run and the pages that it could not read"))
    add_json(_add_of_run(run, "gaps", _gaps, "list the pages that the source did not provide"))
    add_timeout(_add_of_run(run, "watch", _watch, "watch a run until it ends"))
    _add_of_run(run, "cancel", _cancel, "end a run; what it indexed stays", "ingest_function")
    _add_continuing(run, "resume", _resume, "continue a run that was interrupted")
    _add_continuing(run, "retry-gaps", _retry_gaps, "read the gaps of an incomplete run again")


def _add_start(commands: Commands, name: str, example: str) -> None:
    start = add_command(
        commands, name, _start, "start a run", "checkpoint_table", "ingest_function",
        example=example,
    )  # fmt: skip
    add_corpus(start)
    start.add_argument(
        "--mode",
        choices=get_args(RunMode),
        default="incremental",
        help="full reads everything, incremental (the default) what changed",
    )
    start.add_argument("--wait", action="store_true", help="watch the run until it ends")
    add_timeout(start)


def _add_of_run(
    run: Commands, name: str, function: Command, summary: str, *addresses: str
) -> argparse.ArgumentParser:
    example = f"ultron run {name} {_EXAMPLE_RUN_ID}"
    parser = add_command(
        run, name, function, summary, "checkpoint_table", *addresses, example=example
    )
    parser.add_argument("run_id", metavar="RUN_ID", help="id of the run, from `ultron run list`")
    return parser


def _add_continuing(run: Commands, name: str, function: Command, summary: str) -> None:
    parser = _add_of_run(run, name, function, summary, "ingest_function")
    parser.add_argument("--wait", action="store_true", help="watch the run until it ends")
    add_timeout(parser)


def _start(options: argparse.Namespace, target: Target) -> int:
    client = aws.lambda_client(PLANNING_TIMEOUT_SECONDS)
    run_id = start_run(client, target.ingest_function(), options.corpus, options.mode)
    write_line(f"run {run_id} of {options.corpus} ({options.mode}) is planned")
    return _watched(target, run_id, options.timeout) if options.wait else 0


def _require_corpus(target: Target, name: str) -> None:
    """Make sure that a corpus without runs exists, where the deployment's name says where to look.

    Raises:
        NotFoundError: it does not.
    """
    if not target.has_name:
        write_notice(f"without --name-prefix it is not known whether there is a corpus {name}")
        return
    if target.corpora().find(name) is None:
        raise NotFoundError(f"there is no corpus {name}; `ultron corpus list` shows the corpora")


def _list(options: argparse.Namespace, target: Target) -> int:
    runs = target.runs().list_runs(options.corpus, options.limit)
    if not runs:  # of a corpus that was removed, they are still listed
        _require_corpus(target, options.corpus)
    document = {"runs": [progress.model_dump(mode="json") for progress in runs]}
    show(options, document, lambda _: run_list_lines(runs))
    return 0


def _show(options: argparse.Namespace, target: Target) -> int:
    runs = target.runs()
    progress = runs.get_run(options.run_id)
    has_problems = progress.pages_gap or progress.pages_failed
    problems = list(runs.problem_pages(options.run_id)) if has_problems else []
    document = progress.model_dump(mode="json")
    document["problem_pages"] = [page.model_dump(mode="json") for page in problems]
    show(options, document, lambda _: run_lines(progress, problems))
    return 0


def _gaps(options: argparse.Namespace, target: Target) -> int:
    runs = target.runs()
    runs.get_run(options.run_id)  # an unknown run has no gaps either, but that would mislead
    gaps = runs.gaps(options.run_id)
    document = {"gaps": [gap.model_dump(mode="json") for gap in gaps]}
    show(options, document, lambda _: gap_lines(gaps))
    return 0


def _watch(options: argparse.Namespace, target: Target) -> int:
    return _watched(target, options.run_id, options.timeout)


def _cancel(options: argparse.Namespace, target: Target) -> int:
    _steer(options, target, "cancel")
    return 0


def _resume(options: argparse.Namespace, target: Target) -> int:
    _steer(options, target, "resume")
    return _watched(target, options.run_id, options.timeout) if options.wait else 0


def _retry_gaps(options: argparse.Namespace, target: Target) -> int:
    _steer(options, target, "retry_gaps")
    return _watched(target, options.run_id, options.timeout) if options.wait else 0


def _steer(options: argparse.Namespace, target: Target, action: Action) -> None:
    client = aws.lambda_client(PLANNING_TIMEOUT_SECONDS)
    summary = steer_run(client, target.ingest_function(), action, options.run_id)
    write_line(steering_line(action.replace("_", "-"), summary))


def _watched(target: Target, run_id: str, timeout_seconds: float) -> int:
    with ProgressDisplay(sys.stdout, can_redraw=target.can_redraw) as display:
        progress = watch_run(target.runs(), run_id, display.show, timeout_seconds)
    write_line(ending_line(progress))
    return 0 if progress.run.status == "succeeded" else EXIT_RUN_NOT_SUCCEEDED
