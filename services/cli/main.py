"""`ultron`: start and watch runs, ask questions.

Exit status: 0 done; 1 failed; 2 wrong use or input; 3 no such run, corpus or index; 4 refused (key,
or another run holds the corpus); 5 the run did not succeed; 130 interrupted.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from botocore.exceptions import BotoCoreError, ClientError

from services.cli.api import ApiClient
from services.cli.deployment import Deployment
from services.cli.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_RUN_NOT_SUCCEEDED,
    exit_status,
)
from services.cli.progress import ProgressDisplay
from services.cli.rendering import chat_lines, ending_line, joined, retrieve_lines, run_lines
from services.cli.runs import start_run, watch_run
from services.cli.settings import CommandSettings
from shared import aws
from shared.errors import SettingsError, UltronError
from shared.models.run import RunMode
from shared.state.runs import RunStore

WATCH_TIMEOUT_SECONDS = 3600.0
PLANNING_TIMEOUT_SECONDS = 310  # the ingest function may take 300


class Target:
    """The deployment that a command speaks to; each address is looked for when it is needed."""

    def __init__(self, options: argparse.Namespace, settings: CommandSettings) -> None:
        self._options = options
        self._settings = settings
        path = options.outputs or settings.ultron_outputs
        self._deployment = Deployment.read(Path(path)) if path else None

    def api(self) -> ApiClient:
        """Client of its API."""
        found = self._deployment
        url = found.base_url(self._settings.aws_endpoint_url) if found else None
        key = found.api_key if found else None
        return ApiClient(
            self._one("api_url", url, self._settings.ultron_api_url),
            self._one("api_key", key, self._settings.ultron_api_key),
        )

    def runs(self) -> RunStore:
        """The records of its runs."""
        table = self._deployment.checkpoint_table if self._deployment else None
        name = self._one("checkpoint_table", table, self._settings.ultron_checkpoint_table)
        return RunStore(aws.dynamodb_client(), name)

    def ingest_function(self) -> str:
        """Name of its ingest function."""
        found = self._deployment.function_names.get("ingest") if self._deployment else None
        return self._one("ingest_function", found, self._settings.ultron_ingest_function)

    def _one(self, name: str, of_outputs: str | None, of_environment: str | None) -> str:
        chosen: str | None = getattr(self._options, name, None) or of_outputs or of_environment
        if not chosen:
            raise SettingsError(
                f"say which deployment: --outputs FILE, --{name.replace('_', '-')}"
                f" or ULTRON_{name.upper()}"
            )
        return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Target], int] = options.command
    try:
        return command(options, Target(options, CommandSettings.load()))
    except UltronError as error:
        _complain(str(error))
        return exit_status(error)
    except (BotoCoreError, ClientError) as error:
        _complain(f"AWS did not do it: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        _complain("interrupted; a run that was started goes on")
        return EXIT_INTERRUPTED


def _ingest(options: argparse.Namespace, target: Target) -> int:
    client = aws.lambda_client(PLANNING_TIMEOUT_SECONDS)
    run_id = start_run(client, target.ingest_function(), options.corpus, options.mode)
    print(f"run {run_id} of {options.corpus} ({options.mode}) is planned", flush=True)
    return _watch(target, run_id, options.timeout) if options.wait else 0


def _run_show(options: argparse.Namespace, target: Target) -> int:
    progress = target.runs().get_run(options.run_id)
    _show(options, progress.model_dump(mode="json"), lambda _: run_lines(progress))
    return 0


def _run_watch(options: argparse.Namespace, target: Target) -> int:
    return _watch(target, options.run_id, options.timeout)


def _retrieve(options: argparse.Namespace, target: Target) -> int:
    parameters = {
        name: str(value)
        for name in ("k", "corpus", "mode", "threshold")
        if (value := getattr(options, name)) is not None
    }
    parameters |= {f"filter.{name}": value for name, value in options.filter}
    _show(options, target.api().retrieve(options.query, parameters), retrieve_lines)
    return 0


def _chat(options: argparse.Namespace, target: Target) -> int:
    body = {"message": options.message} | {
        name: value
        for name in ("session_id", "k", "corpus")
        if (value := getattr(options, name)) is not None
    }
    _show(options, target.api().chat(body), chat_lines)
    return 0


def _watch(target: Target, run_id: str, timeout_seconds: float) -> int:
    display = ProgressDisplay(sys.stdout)
    try:
        progress = watch_run(target.runs(), run_id, display.show, timeout_seconds)
    finally:
        display.close()
    print(ending_line(progress), flush=True)
    return 0 if progress.run.status == "succeeded" else EXIT_RUN_NOT_SUCCEEDED


def _show(
    options: argparse.Namespace,
    document: dict[str, Any],
    lines: Callable[[dict[str, Any]], Iterable[str]],
) -> None:
    print(json.dumps(document, indent=2) if options.json else joined(lines(document)))


def _complain(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ultron", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    ingest = _command(commands, "ingest", _ingest, "start a run", "checkpoint_table")
    ingest.add_argument("--ingest-function", metavar="NAME")
    ingest.add_argument("--corpus", required=True, metavar="NAME")
    ingest.add_argument("--mode", choices=get_args(RunMode), default="incremental")
    ingest.add_argument("--wait", action="store_true", help="watch the run until it ends")
    _add_timeout(ingest)

    run = commands.add_parser("run", help="look at a run").add_subparsers(
        required=True, metavar="COMMAND"
    )
    show = _command(run, "show", _run_show, "show a run", "checkpoint_table")
    show.add_argument("run_id", metavar="RUN_ID")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    watch = _command(run, "watch", _run_watch, "watch a run until it ends", "checkpoint_table")
    watch.add_argument("run_id", metavar="RUN_ID")
    _add_timeout(watch)

    retrieve = _command(commands, "retrieve", _retrieve, "find passages", "api_url", "api_key")
    retrieve.add_argument("query", metavar="QUERY")
    retrieve.add_argument("--k", metavar="N", help="how many results, 1 to 50")
    retrieve.add_argument("--corpus", metavar="NAME")
    retrieve.add_argument("--mode", help="dense, lexical or hybrid")
    retrieve.add_argument("--threshold", help="lowest score")
    retrieve.add_argument("--filter", action="append", default=[], type=_filter, metavar="F=VALUE")
    retrieve.add_argument("--json", action="store_true", help="print the whole answer as JSON")

    chat = _command(commands, "chat", _chat, "ask a question", "api_url", "api_key")
    chat.add_argument("message", metavar="MESSAGE")
    chat.add_argument("--session-id", metavar="ID", help="go on with a session")
    chat.add_argument("--k", type=int, metavar="N", help="how many passages to answer from")
    chat.add_argument("--corpus", metavar="NAME")
    chat.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace, Target], int],
    summary: str,
    *addresses: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=function)
    parser.add_argument(
        "--outputs", metavar="FILE", help="`terraform output -json` of the deployment"
    )
    for address in addresses:
        parser.add_argument(f"--{address.replace('_', '-')}", metavar="VALUE")
    return parser


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=float,
        default=WATCH_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="stop watching after %(default).0f seconds",
    )


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is no FIELD=VALUE")
    return name, value
