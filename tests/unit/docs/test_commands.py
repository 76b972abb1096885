"""The commands of the pages: how they are read, and which pages have some that a test runs."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.document_commands import (
    PageCommand,
    PageError,
    commands_of,
    outcomes_in,
    script_of,
)

ROOT = Path(__file__).resolve().parents[3]
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))
# Pages of docs/how-to without a block of commands that a test runs, and why.
NOT_RUN = {
    "back-up-and-restore.md": "it says what is kept; restore-an-index.md runs its commands",
    "estimate-the-bill.md": "tests/integration/plan/test_pages.py runs its blocks of `sh`",
    "share-the-state.md": "test_pages.py keeps a state as its block says",
    "upgrade.md": "test_pages.py runs its block; the upgrade drill shows what is kept",
    "small-accounts.md": "test_pages.py runs its blocks; test_small_account.py computes",
    "watch.md": "it has settings only, which terraform test plans",
    "models.md": "it builds models and bundles, as the tests' own preparation does",
}
MARKER = "== ended"


def block(*lines: str) -> str:
    return "\n".join(["text", "```console", *lines, "```", "more text", ""])


def run(*lines: str) -> list[str | None]:
    """Run a block in a shell; what is different from the page, for each command."""
    commands = commands_of(block(*lines))
    script = script_of(commands, MARKER)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    outcomes = outcomes_in(done.stdout, MARKER)
    return [
        command.difference(outcome.printed, outcome.exit_status)
        for command, outcome in zip(commands, outcomes, strict=False)
    ]


@pytest.mark.parametrize("page", HOW_TO, ids=lambda path: path.name)
def test_each_how_to_page_has_commands_that_a_test_runs(page: Path) -> None:
    has_commands = bool(commands_of(page.read_text(encoding="utf-8")))
    assert has_commands != (page.name in NOT_RUN)


def test_each_page_that_is_not_run_exists() -> None:
    assert {page.name for page in HOW_TO} >= set(NOT_RUN)


def test_only_console_blocks_have_commands() -> None:
    page = "```sh\n$ one\n```\n\n```\n$ two\n```\n" + block("$ three")
    assert [command.text for command in commands_of(page)] == ["three"]


def test_a_command_has_its_line_its_output_and_its_exit_status() -> None:
    page = block("$ one", "first", "second", "$ two", "(exit status 3)", "$ three")
    assert commands_of(page) == [
        PageCommand("one", 3, ("first", "second")),
        PageCommand("two", 6, (), 3),
        PageCommand("three", 8),
    ]


def test_a_command_goes_on_after_a_backslash_and_through_a_here_document() -> None:
    page = block("$ one \\", "  two", "out", "$ cat > a <<'END'", "$ no prompt", "END", "out")
    assert [(command.text, command.expected) for command in commands_of(page)] == [
        ("one \\\n  two", ("out",)),
        ("cat > a <<'END'\n$ no prompt\nEND", ("out",)),
    ]


@pytest.mark.parametrize(
    "lines", [("output", "$ command"), ("$ cat <<END", "text"), ("$ cat <<'END'", "text", "END ")]
)
def test_a_block_that_is_no_list_of_commands_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(PageError):
        commands_of(block(*lines))


@pytest.mark.parametrize(
    ("expected", "printed", "is_same"),
    [
        (("one", "two"), "one  \ntwo\n", True),
        (("one",), "one\ntwo\n", False),
        (("one", "…"), "one\n", True),
        (("one", "…", "four"), "one\ntwo\nthree\nfour\n", True),
        (("one", "…", "four"), "one\ntwo\nthree\n", False),
        (("run … ended (1.5 s)",), "run 7 ended (1.5 s)\n", True),
        (("run … ended (1.5 s)",), "run 7 ended (1x5 s)\n", False),
        (("a…b",), "a\nb\n", False),
        ((), "anything\n", True),
    ],
)
def test_an_output_is_compared_with_what_the_page_shows(
    expected: tuple[str, ...], printed: str, is_same: bool
) -> None:
    assert (PageCommand("c", 1, expected).difference(printed, 0) is None) is is_same


def test_a_command_that_ends_otherwise_is_different() -> None:
    assert PageCommand("c", 1, (), 3).difference("", 3) is None
    assert PageCommand("c", 1, (), 3).difference("", 0) == "it ended with status 0, not 3"


def test_the_commands_of_a_page_share_one_shell() -> None:
    assert (
        run(
            "$ name=value",
            "$ cat <<END",
            "it's $name",
            "END",
            "it's value",
            "$ echo seen; echo also >&2; false",
            "seen",
            "also",
            "(exit status 1)",
            "$ cat",
            "$ printf 'no line feed'",
            "no line feed",
        )
        == [None] * 5
    )


def test_no_command_is_run_after_one_that_ends_otherwise_than_the_page_says() -> None:
    assert run("$ true", "$ false", "$ echo more") == [None, "it ended with status 1, not 0"]
