"""Writes docs/reference/command.md from the parsers of the `ultron` command.

python -m scripts.documents.command_reference --write
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.documents.pages import table, write_page
from services.cli.main import command_parser
from shared.platform.command_line import run_command

PAGE = Path("docs") / "reference" / "command.md"
# Options that every command has are described once.
_OF_EVERY_COMMAND = ("--help", "--outputs", "--name-prefix")
_HEAD = """\
# The `ultron` command

`python -m scripts.documents.command_reference --write` writes this page from the code.
`ultron COMMAND --help` shows the same.

[Settings](settings.md#which-deployment-the-command-speaks-to) describes how the command finds its
deployment, and [errors](errors.md#exit-statuses-of-ultron) what its exit statuses mean. Answers
go to standard output. Notices and errors go to standard error.

## Options of every command
"""


def leaf_parsers(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Each parser that runs something, with its summary, in the order of the help."""
    for group in _groups(parser):
        summaries = {choice.dest: choice.help or "" for choice in group._get_subactions()}
        for name, child in group.choices.items():
            if _groups(child):
                yield from leaf_parsers(child)
            else:
                yield child, summaries[name]


def example_of(parser: argparse.ArgumentParser) -> str:
    """The example at the end of a command's help; empty where there is none."""
    title, _, lines = (parser.epilog or "").partition("\n")
    return "\n".join(line.strip() for line in lines.splitlines()) if title == "example:" else ""


def command_reference() -> str:
    """The page."""
    commands = list(leaf_parsers(command_parser()))
    lines = [_HEAD]
    first, _ = commands[0]
    lines += table(("argument or option", "meaning"), _option_rows(first, of_every_command=True))
    for parser, summary in commands:
        lines += ["", f"## {parser.prog}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
        lines += ["```sh", example_of(parser), "```", ""]
        lines += table(
            ("argument or option", "meaning"), _option_rows(parser, of_every_command=False)
        )
    return "\n".join(lines) + "\n"


def _groups(
    parser: argparse.ArgumentParser,
) -> list["argparse._SubParsersAction[argparse.ArgumentParser]"]:
    return [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]


def _option_rows(
    parser: argparse.ArgumentParser, *, of_every_command: bool
) -> Iterator[tuple[str, str]]:
    exclusive = {
        id(action): group for group in parser._mutually_exclusive_groups
        for action in group._group_actions
    }  # fmt: skip
    for action in parser._actions:
        if any(name in _OF_EVERY_COMMAND for name in action.option_strings) == of_every_command:
            group = exclusive.get(id(action))
            yield f"`{_spelling(action)}`", _meaning(action, group)


def _spelling(action: argparse.Action) -> str:
    """An option as it is written, with its value; a positional argument is its metavar."""
    value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    if action.metavar is None and action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    return f"{names} {value}"


def _meaning(action: argparse.Action, group: argparse._MutuallyExclusiveGroup | None) -> str:
    text = (action.help or "") % {**vars(action), "prog": ""}
    if group is not None and group.required:
        others = [_spelling(other) for other in group._group_actions if other is not action]
        return f"{text} (required: this or {', '.join(f'`{other}`' for other in others)})"
    return f"{text} (required)" if action.option_strings and action.required else text


if __name__ == "__main__":
    sys.exit(run_command(lambda: write_page(PAGE, command_reference)))
