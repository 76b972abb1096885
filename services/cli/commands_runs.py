"""`ultron ingest` and `ultron run`."""

import argparse
import sys
from typing import get_args

from services.cli.errors import EXIT_RUN_NOT_SUCCEEDED
from services.cli.options import add_command, add_group, add_json, add_timeout, show
from services.cli.progress import ProgressDisplay
from services.cli.rendering import ending_line, run_lines
from services.cli.runs import start_run, watch_run
from services.cli.target import Target
from shared import aws
from shared.models.run import RunMode

PLANNING_TIMEOUT_SECONDS = 310  # the ingest function may take 300


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands about runs."""
    ingest = add_command(commands, "ingest", _ingest, "start a run", "checkpoint_table")
    ingest.add_argument("--ingest-function", metavar="NAME")
    ingest.add_argument("--corpus", required=True, metavar="NAME")
    ingest.add_argument("--mode", choices=get_args(RunMode), default="incremental")
    ingest.add_argument("--wait", action="store_true", help="watch the run until it ends")
    add_timeout(ingest)

    run = add_group(commands, "run", "look at a run")
    shown = add_command(run, "show", _show, "show a run", "checkpoint_table")
    shown.add_argument("run_id", metavar="RUN_ID")
    add_json(shown)
    watched = add_command(run, "watch", _watch, "watch a run until it ends", "checkpoint_table")
    watched.add_argument("run_id", metavar="RUN_ID")
    add_timeout(watched)


def _ingest(options: argparse.Namespace, target: Target) -> int:
    client = aws.lambda_client(PLANNING_TIMEOUT_SECONDS)
    run_id = start_run(client, target.ingest_function(), options.corpus, options.mode)
    print(f"run {run_id} of {options.corpus} ({options.mode}) is planned", flush=True)
    return _watched(target, run_id, options.timeout) if options.wait else 0


def _show(options: argparse.Namespace, target: Target) -> int:
    progress = target.runs().get_run(options.run_id)
    show(options, progress.model_dump(mode="json"), lambda _: run_lines(progress))
    return 0


def _watch(options: argparse.Namespace, target: Target) -> int:
    return _watched(target, options.run_id, options.timeout)


def _watched(target: Target, run_id: str, timeout_seconds: float) -> int:
    display = ProgressDisplay(sys.stdout)
    try:
        progress = watch_run(target.runs(), run_id, display.show, timeout_seconds)
    finally:
        display.close()
    print(ending_line(progress), flush=True)
    return 0 if progress.run.status == "succeeded" else EXIT_RUN_NOT_SUCCEEDED
