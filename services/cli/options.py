"""What the parsers of all commands share."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from services.cli.deployment.target import Target
from services.cli.output import write_json, write_lines

Command = Callable[[argparse.Namespace, Target], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
WATCH_TIMEOUT_SECONDS = 3600.0
_ADDRESSES = {
    "api_url": "URL of the API",
    "api_key": "key of the API",
    "bucket_name": "name of the bucket",
    "checkpoint_table": "name of the DynamoDB table",
    "compactor_function": "name of the function compactor",
    "ingest_function": "name of the function ingest",
    "retrieve_function": "name of the function retrieve",
}


def add_command(
    commands: Commands,
    name: str,
    function: Command,
    summary: str,
    *addresses: str,
    example: str,
) -> argparse.ArgumentParser:
    """A command that `function` executes.

    `addresses` are the options that name parts of a deployment. `example` is one line, or two,
    that a person can copy.
    """
    parser = _add_parser(commands, name, summary, example)
    parser.set_defaults(command=function)
    parser.add_argument(
        "--outputs", metavar="FILE", help="`terraform output -json` of the deployment"
    )
    parser.add_argument(
        "--name-prefix", metavar="NAME", help="name_prefix of the deployment, without its outputs"
    )
    for address in addresses:
        option = f"--{address.replace('_', '-')}"
        parser.add_argument(option, metavar="VALUE", help=_ADDRESSES[address])
    return parser


def add_group(commands: Commands, name: str, summary: str, *, example: str) -> Commands:
    """A command that is followed by one of its own commands."""
    group = _add_parser(commands, name, summary, example)
    return group.add_subparsers(required=True, metavar="COMMAND")


def epilog_of(example: str) -> str:
    """The end of a command's help: lines that a person can copy."""
    return "\n".join(["example:", *(f"  {line}" for line in example.splitlines())])


def _add_parser(
    commands: Commands, name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=epilog_of(example),
        # The lines of the example stay as they are.
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Which corpus the command is about."""
    parser.add_argument("--corpus", required=True, metavar="NAME", help="name of the corpus")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """How long the command watches."""
    parser.add_argument(
        "--timeout",
        type=float,
        default=WATCH_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="stop watching after %(default).0f seconds",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Whether the answer is shown as JSON."""
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")


def positive(text: str) -> int:
    """A whole number from 1.

    Raises:
        argparse.ArgumentTypeError: the text is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def show(
    options: argparse.Namespace,
    document: dict[str, Any],
    lines: Callable[[dict[str, Any]], Iterable[str]],
) -> None:
    """Print an answer as text, or as JSON where that is asked for."""
    if options.json:
        write_json(document)
    else:
        write_lines(lines(document))
