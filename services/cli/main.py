"""`ultron`: add corpora, start and watch runs, steer stages, look after indexes, ask questions.

Exit status: 0 done; 1 failed; 2 wrong use or input; 3 no such run, corpus, index, version or
message; 4 refused (key, Terraform manages it, or a run holds the corpus); 5 the run did not
succeed; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from services.cli import (
    commands_answers,
    commands_corpora,
    commands_dead_letters,
    commands_index,
    commands_runs,
    commands_stages,
)
from services.cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, exit_status
from services.cli.notices import notices_on
from services.cli.options import Command
from services.cli.settings import CommandSettings
from services.cli.target import Target
from shared.errors import UltronError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        with notices_on(sys.stderr):
            return command(options, Target(options, CommandSettings.load()))
    except UltronError as error:
        _complain(str(error))
        return exit_status(error)
    except (BotoCoreError, ClientError) as error:
        _complain(f"AWS did not do it: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        _complain("interrupted; what was started goes on")
        return EXIT_INTERRUPTED


def _complain(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ultron", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands_corpora.add_to(commands)
    commands_runs.add_to(commands)
    commands_stages.add_to(commands)
    commands_dead_letters.add_to(commands)
    commands_answers.add_to(commands)
    commands_index.add_to(commands)
    return parser
