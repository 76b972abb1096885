"""The page about the `ultron` command is what the parsers say, with an example of each command."""

import argparse
import shlex
from pathlib import Path

import pytest

from scripts.documents.command_reference import (
    PAGE,
    command_reference,
    example_of,
    leaf_parsers,
)
from services.cli.main import command_parser

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = [parser for parser, _ in leaf_parsers(command_parser())]


def test_the_page_is_what_the_script_writes() -> None:
    written = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written == command_reference(), (
        "write it again: python -m scripts.documents.command_reference --write"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_each_command_has_an_example_that_it_accepts(command: argparse.ArgumentParser) -> None:
    lines = example_of(command).splitlines()
    assert 1 <= len(lines) <= 2
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "ultron"
        assert line.startswith(command.prog)
        command_parser().parse_args(arguments)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_the_help_shows_the_example_and_describes_each_option(
    command: argparse.ArgumentParser,
) -> None:
    shown = command.format_help()
    assert all(f"  {line}\n" in shown for line in example_of(command).splitlines())
    assert [action.dest for action in command._actions if not action.help] == []


def test_the_help_of_the_command_itself_and_of_groups_has_an_example() -> None:
    parser = command_parser()
    [groups] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    assert all(example_of(each) for each in (parser, *groups.choices.values()))
