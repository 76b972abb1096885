"""What a schema says of a document that does not fit it, in words that may be shown."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.models.forms import form_words


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
