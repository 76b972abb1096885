"""The words of DynamoDB's expressions, and the paths and placeholders among them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from tests.simulation.aws.typed_values import Item, RefusedRequestError, Value

Names = Mapping[str, str]
"""The attribute names by their placeholders, such as `#ttl`."""

Path = tuple[str | int, ...]
"""Where a value lies: the name of an attribute, then names in maps and positions in lists."""

Read = Callable[[Item, Names, Item], Value | None]
"""Reads a value from an item, or from the values of a request; None where there is none."""

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),.+\-\[\]]|[:#]?[A-Za-z0-9_]+)")
_NAME = re.compile(r"#[A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Operand:
    """A part of an expression that has a value.

    `value_name` is its placeholder where it is one, and `path` its path where it is one.
    """

    read: Read
    value_name: str | None = None
    path: Path | None = None


class Tokens:
    """The words of an expression, taken one after another.

    `title` names the kind of expression in errors. `names` and `values` are the placeholders that
    were taken so far.
    """

    def __init__(self, text: str, title: str) -> None:
        self.title = title
        self.names: set[str] = set()
        self.values: set[str] = set()
        self._words = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[str]:
        words, at = [], 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                self.refuse(text[at:].split()[0])
            words.append(found[1])
            at = found.end()
        if not words:
            raise RefusedRequestError(f"Invalid {self.title}: The expression can not be empty;")
        return words

    def refuse(self, word: str) -> NoReturn:
        """Raise the error of a word that has no place where it stands."""
        raise RefusedRequestError(f'Invalid {self.title}: Syntax error; token: "{word}"')

    def peek(self, ahead: int = 0) -> str:
        """Return a word that was not taken yet; empty at the end."""
        position = self._at + ahead
        return self._words[position] if position < len(self._words) else ""

    def take(self) -> str:
        """Take the next word."""
        word = self.peek()
        if not word:
            self.refuse("<EOF>")
        self._at += 1
        return word

    def takes(self, *words: str) -> str | None:
        """Take the next word if it is one of these, which are in upper case; return it so."""
        found = self.peek().upper()
        if found not in words:
            return None
        self._at += 1
        return found

    def expect(self, word: str) -> None:
        """Take the next word, which must be this one."""
        if self.takes(word) is None:
            self.refuse(self.peek() or "<EOF>")

    def expect_end(self) -> None:
        """Refuse what is left."""
        if self.peek():
            self.refuse(self.peek())

    def take_value_name(self) -> str:
        """Take a placeholder of a value."""
        word = self.take()
        if not word.startswith(":"):
            self.refuse(word)
        self.values.add(word)
        return word

    def take_path(self) -> Path:
        """Take a document path."""
        path: list[str | int] = [self._take_name()]
        while True:
            if self.takes("."):
                path.append(self._take_name())
            elif self.takes("["):
                position = self.take()
                if not position.isdecimal():
                    self.refuse(position)
                path.append(int(position))
                self.expect("]")
            else:
                return tuple(path)

    def _take_name(self) -> str:
        word = self.take()
        if not _NAME.fullmatch(word):
            self.refuse(word)
        if word.startswith("#"):
            self.names.add(word)
        return word


def resolved(path: Path, names: Names) -> Path:
    """Return a path with the names that its placeholders stand for."""
    if not names:
        return path
    return tuple(
        names[part] if isinstance(part, str) and part.startswith("#") else part for part in path
    )


def read_path(item: Item, path: Sequence[str | int]) -> Value | None:
    """Return the value at a path without placeholders; None where there is none."""
    value: Value | None = {"M": item}
    for part in path:
        if value is None:
            return None
        if isinstance(part, str):
            value = value.get("M", {}).get(part)
        else:
            members = value.get("L", [])
            value = members[part] if part < len(members) else None
    return value


def path_operand(path: Path) -> Operand:
    """Return what reads a path; one of a single name, as nearly all are, at little cost."""
    name = path[0]
    if len(path) > 1 or isinstance(name, int):
        return Operand(lambda item, names, _: read_path(item, resolved(path, names)), path=path)
    if name.startswith("#"):
        return Operand(lambda item, names, _: item.get(names[name]), path=path)
    return Operand(lambda item, _names, _values: item.get(name), path=path)


def value_operand(value_name: str) -> Operand:
    """Return what reads a value of the request."""
    return Operand(lambda _item, _names, values: values[value_name], value_name=value_name)
