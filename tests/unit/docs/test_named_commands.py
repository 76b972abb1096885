"""Each command that a document names exists and takes the arguments that it is given there.

Those of `console` blocks are run instead (tests/e2e/test_documents.py), and those of `sh` blocks
are run too (tests/integration/plan/test_pages.py).
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import get_session

from services.cli.main import command_parser
from tests.fuzz.catalogue import NAMES as FUZZ_TARGETS
from tests.unit.docs.makefile import Makefile
from tests.unit.docs.named_commands import PROGRAMS, NamedCommand, commands_of_line, named_commands

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "terraform/README.md"])
MAKEFILE = Makefile.parse((ROOT / "Makefile").read_text(encoding="utf-8"))
OURS = ("scripts", "tests", "benchmarks", "examples")
# Of the shell and of other projects, in blocks.
FOREIGN = {".", "cd", "cp", "echo", "export", "git", "mkdir", "source", "unset"}
# Commands of the AWS CLI that are no operation of an API, with the options used here.
AWS_S3 = {"cp": {"--recursive"}, "sync": set[str]()}
TERRAFORM = {
    "apply": {"-replace"}, "destroy": set[str](), "init": {"-migrate-state"},
    "output": {"-raw", "-json"}, "plan": set[str](), "test": set[str](),
    "providers": {"-fs-mirror", "-platform"},
}  # fmt: skip
TERRAFORM_SUBCOMMANDS = {"providers": {"lock"}}
_ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)", re.S)
_COMMAND_LINE = re.compile(r"^(?:(?:make|aws|terraform|python -m) \w|ultron (?!ingest ─)\w)", re.M)
_CHOICE = re.compile(r"^[a-z0-9-]+(\|[a-z0-9-]+)+$")


def found_in(document: Path, program: str) -> list[NamedCommand]:
    commands = named_commands(document.read_text(encoding="utf-8"))
    return [command for command in commands if command.program == program]


def of_all_documents(program: str) -> list[Any]:
    return [
        pytest.param(command, id=f"{document.name}:{command.line_number}")
        for document in DOCUMENTS
        for command in found_in(document, program)
    ]


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(groups[0].choices) if groups else {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_program_in_a_block_is_known(document: Path) -> None:
    commands = named_commands(document.read_text(encoding="utf-8"))
    unknown = {command.program for command in commands} - {*PROGRAMS, *FOREIGN}
    assert unknown == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_block_of_commands_has_a_language(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    assert [block for name, block in blocks if not name and _COMMAND_LINE.search(block)] == []


def test_each_variable_of_terraform_that_a_shell_exports_exists() -> None:
    exported = {
        word.partition("=")[0]
        for document in DOCUMENTS
        for command in found_in(document, "export")
        for word in command.words[1:]
    }
    declared = "".join(
        (ROOT / "terraform" / name).read_text(encoding="utf-8")
        for name in ("variables.tf", "variables_corpora.tf")
    )
    named = {word.removeprefix("TF_VAR_") for word in exported if word.startswith("TF_VAR_")}
    assert named
    assert named <= set(re.findall(r'^variable "(\w+)"', declared, re.M))


@pytest.mark.parametrize("command", of_all_documents("ultron"))
def test_the_command_of_this_project(command: NamedCommand) -> None:
    if command.is_whole:
        assert error_of(command_parser().parse_args, list(command.words[1:])) == ""
        return
    parser, words = command_parser(), list(command.words[1:])
    while words and (choices := subparsers(parser)) and not words[0].startswith("-"):
        if words[0] in {"COMMAND", "…"}:  # any
            return
        assert words[0] in choices, command
        parser = choices[words.pop(0)]
    assert {word for word in words if word.startswith("-")} <= set(parser._option_string_actions)


def error_of(parse: Callable[[list[str]], object], arguments: list[str]) -> str:
    said = StringIO()
    try:
        with redirect_stderr(said):
            parse(arguments)
    except SystemExit:
        return said.getvalue() or "it ended"
    return ""


@pytest.mark.parametrize("command", of_all_documents("make"))
def test_a_target_of_make_has_the_variables_that_it_is_given(command: NamedCommand) -> None:
    targets, given = targets_and_variables(command)
    assert set(targets) <= set(MAKEFILE.recipes)
    for target in targets:
        read = MAKEFILE.variables_of(target)
        assert all(name in read or is_read_from_the_environment(name) for name in given), command
    assert set(given.get("FUZZ_TARGETS", "").split()) <= set(FUZZ_TARGETS)


def targets_and_variables(command: NamedCommand) -> tuple[list[str], dict[str, str]]:
    assignments = [_ASSIGNMENT.fullmatch(word) for word in command.words[1:]]
    given = {found[1]: found[2] for found in assignments if found}
    words = zip(command.words[1:], assignments, strict=True)
    return [word for word, found in words if found is None], given


def is_read_from_the_environment(name: str) -> bool:
    folders = ("scripts", "tests/upgrade")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return any(f'"{name}"' in path.read_text(encoding="utf-8") for path in paths)


def module_commands() -> Iterator[tuple[str, ...]]:
    """Each module of ours with the arguments that a document gives it, also through make."""
    for document in DOCUMENTS:
        for command in found_in(document, "python"):
            yield from without_choices(command.words[1:])
        for command in found_in(document, "make"):
            targets, given = targets_and_variables(command)
            for target in targets:
                for words in MAKEFILE.commands_of(target, given):
                    yield words[1:]


def without_choices(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A command for each of `a|b`, with the options in brackets, and a number in place of N."""
    plain = [
        word.strip("[]").replace("N", "1") if word == "N" else word.strip("[]") for word in words
    ]
    choices = next((word for word in plain if _CHOICE.match(word)), None)
    if choices is None:
        yield tuple(plain)
        return
    for choice in choices.split("|"):
        yield tuple(choice if word == choices else word for word in plain)


def of_ours() -> list[tuple[str, ...]]:
    modules = {words[1:] for words in module_commands() if words[:1] == ("-m",)}
    return sorted(words for words in modules if words[0].partition(".")[0] in OURS)


def test_each_module_exists() -> None:
    names = {words[0] for words in of_ours()}
    assert len(names) > 20
    assert {name for name in names if importlib.util.find_spec(name) is None} == set()


def test_each_module_accepts_its_arguments() -> None:
    wrong = [("scripts.build_model", "--wrong"), ("scripts.build_bundles", "--target", "wrong")]
    asked = [*wrong, *(words for words in of_ours() if len(words) > 1)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.docs.argument_check"],
        input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        env={**os.environ, "PYTHONHASHSEED": "0"},  # the simulation begins again with another
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    refused = {words: answer for words, answer in zip(asked, answers, strict=True) if answer}
    assert set(refused) == set(wrong), refused


@pytest.mark.parametrize("command", of_all_documents("pytest"))
def test_a_folder_of_tests_exists(command: NamedCommand) -> None:
    assert (ROOT / command.words[1]).exists()


@pytest.mark.parametrize("command", of_all_documents("terraform"))
def test_terraform_is_asked_for_what_the_configuration_has(command: NamedCommand) -> None:
    action, *arguments = [word for word in command.words[1:] if not word.startswith("-chdir=")]
    options = {word.partition("=")[0] for word in arguments if word.startswith("-")}
    assert options <= TERRAFORM[action]
    names = [word for word in arguments if not word.startswith("-")]
    outputs = (ROOT / "terraform/outputs.tf").read_text(encoding="utf-8")
    known = set(re.findall(r'^output "(\w+)"', outputs, re.M))
    assert set(names) <= TERRAFORM_SUBCOMMANDS.get(action, known)


@pytest.mark.parametrize("command", of_all_documents("aws"))
def test_the_aws_cli_has_the_operation_and_its_parameters(command: NamedCommand) -> None:
    service, operation, *arguments = command.words[1:]
    options = {word for word in arguments if word.startswith("--")}
    if service == "s3":
        assert options <= AWS_S3[operation]
        assert arguments[-1].startswith("s3://")
        return
    model = get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    assert shape is not None
    assert options <= {f"--{xform_name(name, '-')}" for name in shape.members}
    required = {f"--{xform_name(name, '-')}" for name in shape.required_members}
    assert not command.is_whole or required <= options


def test_commands_are_found_in_blocks_and_in_sentences() -> None:
    page = (
        "```sh\ncd a && make b   # why\n.venv/bin/ultron run list > out; git pull\n```\n"
        "```\nmake no\n$ make shown\n```\n```console\n$ ultron run\n```\n"
        "Call `ultron dlq list \\| head -1`, or\n`make c D='e f'`, not `shared/`.\n"
    )
    assert [(found.words, found.line_number) for found in named_commands(page)] == [
        (("cd", "a"), 2), (("make", "b"), 2), (("ultron", "run", "list"), 3), (("git", "pull"), 3),
        (("make", "shown"), 7),
        (("ultron", "dlq", "list"), 12), (("make", "c", "D=e f"), 13),
    ]  # fmt: skip


def test_a_target_is_expanded_with_what_it_is_given() -> None:
    makefile = Makefile.parse(
        "RUN := python -m\nOPTIONS ?=\nMORE := $(OPTIONS) -x\n\n"
        "a: b ## text\n\t@$(RUN) c --of $(or $(TARGET),all) $(MORE)\n"
    )
    assert makefile.variables_of("a") == {"RUN", "TARGET", "MORE", "OPTIONS"}
    given = {"OPTIONS": "--set 'd e'"}
    assert makefile.commands_of("a", given) == [
        ("python", "-m", "c", "--of", "all", "--set", "d e", "-x")
    ]
    assert commands_of_line("(a | b)  # c") == [("a",), ("b",)]
