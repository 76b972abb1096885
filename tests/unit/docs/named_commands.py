"""The commands that a document names: in blocks of `sh`, and in its sentences; pure."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

# What a command in a sentence begins with; in a block, each line is one.
PROGRAMS = ("ultron", "make", "python", "pytest", "terraform", "aws")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_SEPARATORS = {"&&", "||", "|", ";", "(", ")"}
_IN_THE_ENVIRONMENT = ".venv/bin/"
_PROMPT = "$ "


@dataclass(frozen=True)
class NamedCommand:
    """The words of a command, its program first; `is_whole` where no argument is left out."""

    words: tuple[str, ...]
    line_number: int
    is_whole: bool

    @property
    def program(self) -> str:
        return self.words[0]

    def __str__(self) -> str:
        return f"line {self.line_number}: {shlex.join(self.words)}"


def named_commands(text: str) -> list[NamedCommand]:
    """The commands of a document, but for those of its `console` blocks, which are run."""
    return sorted([*_of_blocks(text), *_of_sentences(text)], key=lambda found: found.line_number)


def commands_of_line(line: str) -> list[tuple[str, ...]]:
    """The words of each command on a line of a shell, without comments and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word in _SEPARATORS:
            commands.append([])
        elif word in {"<", ">", ">>"}:
            next(words, None)
        else:
            commands[-1].append(word)
    return [tuple(command) for command in map(_plain, commands) if command]


def _of_blocks(text: str) -> Iterator[NamedCommand]:
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(2)) + 1
        lines = list(enumerate(block[2].splitlines(), first))
        if block[1] == "":  # what a terminal shows
            lines = [(at, line[2:]) for at, line in lines if line.startswith(_PROMPT)]
        elif block[1] != "sh":
            continue
        for line_number, line in lines:
            for words in commands_of_line(line):
                yield NamedCommand(words, line_number, is_whole=True)


def _of_sentences(text: str) -> Iterator[NamedCommand]:
    without_blocks = _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
    for span in _SPAN.finditer(without_blocks):
        # In a cell of a table, a `|` has a backslash.
        command = span[1].replace("\\|", "|").partition(" | ")[0]
        words = _plain(command.split() if command.count("'") % 2 else shlex.split(command))
        if words and words[0] in PROGRAMS:
            line_number = without_blocks.count("\n", 0, span.start()) + 1
            yield NamedCommand(tuple(words), line_number, is_whole=False)


def _plain(words: list[str]) -> list[str]:
    """The words, the first without the folder of the environment."""
    return [words[0].removeprefix(_IN_THE_ENVIRONMENT), *words[1:]] if words else []
