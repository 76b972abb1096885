"""`ultron`: add corpora, start and watch runs, steer stages, look after indexes, ask questions.

Exit status: 0 done; 1 failed; 2 wrong use or input; 3 no such run, corpus, index, version or
message; 4 refused (key, Terraform manages it, or a run holds the corpus); 5 the run did not
succeed; 130 interrupted; 141 what it prints is no longer read.
"""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from services.cli.ask import commands as ask_commands
from services.cli.corpus import commands as corpus_commands
from services.cli.dead_letter import commands as dead_letter_commands
from services.cli.deployment.brought_up import PACKAGE_CHECKOUT, FoundDeployment, last_brought_up
from services.cli.deployment.settings import CommandSettings
from services.cli.deployment.target import Target, names_deployment
from services.cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NOT_FOUND, exit_status
from services.cli.index import commands as index_commands
from services.cli.names import require_names
from services.cli.notices import notices_shown
from services.cli.options import Command, Commands, epilog_of
from services.cli.output import accept_any_text, write_notice
from services.cli.run import commands as run_commands
from services.cli.stage import commands as stage_commands
from shared.errors import UltronError
from shared.platform import aws
from shared.platform.command_line import run_command
from shared.platform.printing import printable

_MISSING = {
    "ResourceNotFoundException": "table or function",
    "NoSuchBucket": "bucket",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    accept_any_text()
    return run_command(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    options = command_parser().parse_args(arguments)
    try:
        with notices_shown():
            return _run_on_target(options, CommandSettings.load())
    except UltronError as error:
        _complain(str(error))
        return exit_status(error)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code not in _MISSING:
            _complain(f"AWS did not do it: {error}")
            return EXIT_FAILED
        _complain(
            f"AWS has no such {_MISSING[code]} ({error.operation_name}); are the names of the "
            "deployment right, and are these its account and region?"
        )
        return EXIT_NOT_FOUND
    except BotoCoreError as error:
        _complain(f"AWS did not do it: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        _complain("interrupted; what was started goes on")
        return EXIT_INTERRUPTED


def _run_on_target(options: argparse.Namespace, settings: CommandSettings) -> int:
    require_names(options)
    command: Command = options.command
    found: FoundDeployment | None = None
    account: AbstractContextManager[None] = nullcontext()
    if not names_deployment(options, settings):
        found = last_brought_up(PACKAGE_CHECKOUT, _present_folder())
    if found is not None:
        write_notice(f"using {found.notice}")
        account = aws.clients_of(found.document.account)
    with account:
        return command(options, Target(options, settings, found))


def _present_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted, so nothing is in it
        return PACKAGE_CHECKOUT


def _complain(message: str) -> None:
    write_notice(f"error: {message}")


class _Parser(argparse.ArgumentParser):
    """Complains in one line of printable text, as the commands do."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def command_parser() -> argparse.ArgumentParser:
    """The parser of the command, with those of all its commands."""
    parser: argparse.ArgumentParser = _Parser(
        prog="ultron",
        description=__doc__,
        epilog=epilog_of("ultron retrieve 'Who created Ultron?'\nultron run start --help"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands: Commands = parser.add_subparsers(required=True, metavar="COMMAND")
    corpus_commands.add_to(commands)
    run_commands.add_to(commands)
    stage_commands.add_to(commands)
    dead_letter_commands.add_to(commands)
    ask_commands.add_to(commands)
    index_commands.add_to(commands)
    return parser
