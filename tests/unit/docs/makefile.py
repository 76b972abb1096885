"""What the Makefile has: its targets, and what a target runs with given variables; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.unit.docs.named_commands import commands_of_line

_DEFAULT = re.compile(r"^([A-Z_]+) [?:]= ?(.*)$", re.M)
_RULE = re.compile(r"^([a-z][a-z0-9-]*):.*\n((?:\t.*\n)*)", re.M)
_VARIABLE = re.compile(r"\$\(([A-Z_]+)\)")
_FIRST_OF = re.compile(r"\$\(or ([^,)]*),([^)]*)\)")


@dataclass(frozen=True)
class Makefile:
    """The recipes by target, and what variables hold unless the caller names them."""

    recipes: Mapping[str, str]
    defaults: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "Makefile":
        return cls(dict(_RULE.findall(text)), dict(_DEFAULT.findall(text)))

    def variables_of(self, target: str) -> set[str]:
        """The variables that the recipe of a target uses, also inside other variables."""
        found: set[str] = set()
        texts = [self.recipes[target]]
        while texts:
            new = set(_VARIABLE.findall(texts.pop())) - found
            found |= new
            texts += [self.defaults[name] for name in new if name in self.defaults]
        return found

    def commands_of(self, target: str, given: Mapping[str, str]) -> list[tuple[str, ...]]:
        """The words of each command of a target, with its variables put in."""
        text = self.recipes[target].replace("\\\n", " ").replace("@", "")
        values = {**self.defaults, **given}
        while _VARIABLE.search(text):
            text = _VARIABLE.sub(lambda found: values.get(found[1], ""), text)
        text = _FIRST_OF.sub(lambda found: found[1] or found[2], text)
        return [words for line in text.splitlines() for words in commands_of_line(line)]
