"""The page of errors has every code and exit status, and the tree of errors is the one drawn."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import shared
from services.cli import errors as command_errors
from services.cli.main import __doc__ as help_of_command
from shared import errors
from shared.errors import LeaseHeldError, SourceError, UltronError
from shared.platform.command_line import EXIT_NOT_READ
from shared.runs.page_joining import CURSOR_LOOP, QUERY_TOO_LARGE

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
GATEWAY = (ROOT / "terraform/modules/api/locals.tf").read_text(encoding="utf-8")
# Only ingest raises it, which is not behind the API.
NOT_OF_THE_API = {LeaseHeldError}


def rows_under(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    section = PAGE.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    cells = [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines]
    return [[cell.strip() for cell in row] for row in cells]


def codes_under(heading: str, column: int = 0) -> set[str]:
    cells = {row[column] for row in rows_under(heading)}
    return {cell.strip("`") for cell in cells if cell != "(none)"}


def all_errors() -> set[type[UltronError]]:
    """Each class of errors below shared/, wherever it is defined."""
    for module in pkgutil.walk_packages(shared.__path__, "shared."):
        if module.name != "shared.embedding.sentence_transformers_encoder":  # needs torch
            importlib.import_module(module.name)
    return {error for error in below(UltronError) if error.__module__.startswith("shared.")}


def below(error: type[UltronError]) -> set[type[UltronError]]:
    return {error}.union(*(below(child) for child in error.__subclasses__()))


def answers_of_gateway() -> Iterator[tuple[int, str]]:
    """The status and code of each refusal of API Gateway that has its own status."""
    section = GATEWAY.partition("  problems = {\n")[2].partition("\n  }\n")[0]
    for status, code in re.findall(r"status = (\w+),.* code = \"([A-Z_]+)\"", section):
        if status != "null":
            yield int(status), code


def test_each_answer_of_the_api_is_on_the_page() -> None:
    documented = {
        (int(status), code.strip("`"), each)
        for status, code, by, _ in rows_under("## Codes of the API")
        for each in by.split(", ")
    }
    public = {error for error in all_errors() if error.is_public} - NOT_OF_THE_API
    of_functions = {(error.http_status, error.code, "function") for error in public}
    of_functions.add((500, "INTERNAL", "function"))
    of_gateway = {(status, code, "API Gateway") for status, code in answers_of_gateway()}
    of_gateway.add((500, "INTERNAL", "API Gateway"))  # DEFAULT_5XX leaves the status as it is
    assert documented == of_functions | of_gateway


def test_each_code_is_on_the_page() -> None:
    documented = codes_under("## Codes of the API", 1) | codes_under("## Other codes")
    documented |= codes_under("## Reasons of dead-letter messages")
    documented |= codes_under("## Reasons of gaps")
    gateways = {code for _, code in answers_of_gateway()}
    codes = {error.code for error in all_errors()}
    assert documented == codes | gateways | {CURSOR_LOOP, QUERY_TOO_LARGE}


def test_each_reason_of_gaps_is_on_the_page() -> None:
    codes = {error.code for error in all_errors() if issubclass(error, SourceError)}
    assert codes_under("## Reasons of gaps") == codes | {CURSOR_LOOP, QUERY_TOO_LARGE}


def test_each_exit_status_is_on_the_page_and_in_the_help() -> None:
    statuses = {v for name, v in vars(command_errors).items() if name.startswith("EXIT_")}
    statuses |= {0, EXIT_NOT_READ}
    documented = {int(status) for status, _ in rows_under("## Exit statuses of `ultron`")}
    assert documented == statuses
    assert help_of_command is not None
    shown = help_of_command.partition("Exit status:")[2]
    assert {int(number) for number in re.findall(r"(?<!\w)(\d+) ", shown)} == statuses


def drawn(error: type[UltronError], depth: int = 0) -> Iterator[str]:
    """The lines of the tree from an error down, those of the module `shared.errors` alone."""
    lead = "|  " * (depth - 1) + "+- " if depth else ""
    status = f"  {error.http_status}" if error.is_public else ""
    yield f"    {lead}{error.__name__}{status}"
    own = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for child in own:
        if issubclass(child, UltronError) and child.__bases__ == (error,):
            yield from drawn(child, depth + 1)


def test_the_docstring_of_the_errors_draws_their_tree() -> None:
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if line.startswith("    ")]
    assert lines == list(drawn(UltronError))
