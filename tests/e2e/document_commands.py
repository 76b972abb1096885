"""The commands of a page, with what they print, as its `console` blocks show them; pure."""

import re
import shlex
from dataclasses import dataclass
from itertools import takewhile

ELLIPSIS = "…"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
_PROMPT = "$ "
_HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_EXIT_STATUS = re.compile(r"\(exit status (\d+)\)")


class PageError(ValueError):
    """A block of a page is not one of commands and their output."""


@dataclass(frozen=True)
class PageCommand:
    """A command of a page; the page shows `expected`, which is empty where it shows no output."""

    text: str
    line_number: int
    expected: tuple[str, ...] = ()
    exit_status: int = 0

    def difference(self, printed: str, exit_status: int) -> str | None:
        """What is not as the page says; None when all is."""
        if exit_status != self.exit_status:
            return f"it ended with status {exit_status}, not {self.exit_status}"
        if self.expected and not re.fullmatch(_pattern(self.expected), _without_ends(printed)):
            return "the page shows another output:\n" + "\n".join(self.expected)
        return None


@dataclass(frozen=True)
class Outcome:
    """What a command printed, on both of its streams, and how it ended."""

    printed: str
    exit_status: int


def commands_of(page: str) -> list[PageCommand]:
    """The commands of all `console` blocks of a page, in its order.

    Raises:
        PageError: a block begins with output, or a command in it does not end.
    """
    return [
        command
        for block in _BLOCK.finditer(page)
        for command in _commands_of_block(block[1], page.count("\n", 0, block.start(1)) + 1)
    ]


def _commands_of_block(block: str, first_line_number: int) -> list[PageCommand]:
    lines = block.splitlines()
    commands: list[PageCommand] = []
    position = 0
    while position < len(lines):
        if not lines[position].startswith(_PROMPT):
            raise PageError(f"line {first_line_number + position} belongs to no command")
        end = _end_of_command(lines, position, first_line_number)
        text = "\n".join(lines[position:end]).removeprefix(_PROMPT)
        shown = list(takewhile(lambda line: not line.startswith(_PROMPT), lines[end:]))
        ending = _EXIT_STATUS.fullmatch(shown[-1]) if shown else None
        commands.append(
            PageCommand(
                text,
                first_line_number + position,
                tuple(shown[:-1] if ending else shown),
                int(ending[1]) if ending else 0,
            )
        )
        position = end + len(shown)
    return commands


def _end_of_command(lines: list[str], start: int, first_line_number: int) -> int:
    """The position after the last line of the command that begins at `start`."""
    end = start + 1
    while lines[end - 1].endswith("\\") and end < len(lines):
        end += 1
    for match in _HERE_DOCUMENT.finditer("\n".join(lines[start:end])):
        try:
            end = lines.index(match[2], end) + 1
        except ValueError:
            raise PageError(
                f"the here-document of line {first_line_number + start} has no line {match[2]}"
            ) from None
    return end


def script_of(commands: list[PageCommand], marker: str) -> str:
    """A script that runs the commands one after the other in one shell.

    After the output of each it prints a line with `marker` and the exit status. It ends after the
    first command whose status is not the page's, because later ones may wait for what that makes.
    """
    parts = [
        f"eval {shlex.quote(command.text)}\nstatus_of_command=$?\n"
        f"printf '\\n%s %s\\n' {shlex.quote(marker)} $status_of_command\n"
        f"[ $status_of_command -eq {command.exit_status} ] || exit 0"
        for command in commands
    ]
    return "\n".join(["exec </dev/null 2>&1", *parts, ""])


def outcomes_in(printed: str, marker: str) -> list[Outcome]:
    """What each command of a script did; none after one that ended the shell."""
    pattern = rf"(.*?)\n{re.escape(marker)} (\d+)\n"
    return [Outcome(match[1], int(match[2])) for match in re.finditer(pattern, printed, flags=re.S)]


def differences(page: str, commands: list[PageCommand], printed: str, marker: str) -> list[str]:
    """What a script of a page's commands did otherwise than the page says, with its output."""
    outcomes = outcomes_in(printed, marker)
    wrong = [
        f"{page}, line {command.line_number}: {difference}\n$ {command.text}\n{outcome.printed}"
        for command, outcome in zip(commands, outcomes, strict=False)
        if (difference := command.difference(outcome.printed, outcome.exit_status))
    ]
    if not wrong and len(outcomes) < len(commands):
        return [f"{page}: the shell ended early:\n{printed}"]
    return wrong


def _pattern(expected: tuple[str, ...]) -> str:
    """The regular expression of an output, each line of which has its line feed."""
    return "".join(
        r"(?:.*\n)*" if line.strip() == ELLIPSIS else _line_pattern(line) + r"\n"
        for line in expected
    )


def _line_pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.rstrip().split(ELLIPSIS))


def _without_ends(printed: str) -> str:
    """The output without blanks at the ends of lines, and with one line feed at its end."""
    return "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
