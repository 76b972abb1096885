"""What is wrong with a document that does not fit its schema, in words for people."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_WORDS: dict[str, str] = {}


def form(pattern: str, words: str) -> str:
    """Return the pattern, and keep the words that a person reads where a text does not match it.

    `words` come after "must be".
    """
    _WORDS[pattern] = words
    return pattern


def form_words(pattern: str) -> str:
    """Return what must be said of a text that does not match a pattern; never the pattern."""
    words = _WORDS.get(pattern)
    return "has a form that is not allowed" if words is None else f"must be {words}"


def field_problems(error: ValidationError, whole: str) -> str:
    """Name each wrong field and say what is wrong, never with its value.

    `whole` stands for the document itself, where that is wrong as a whole.
    """
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or whole}: {problem_words(problem)}"
        for problem in error.errors(include_input=False, include_url=False)
    )


def problem_words(problem: Mapping[str, Any]) -> str:
    """Say what is wrong with one field; a pattern is described, as few people read them."""
    if problem["type"] == "string_pattern_mismatch":
        return form_words(str(problem.get("ctx", {}).get("pattern")))
    return str(problem["msg"])
