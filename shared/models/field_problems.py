"""What a schema says of a document that does not fit it, in words that may be shown."""

from pydantic import ValidationError


def field_problems(error: ValidationError, whole: str) -> str:
    """Name each wrong field and say what is wrong, never with its value.

    `whole` stands for the document itself, where that is wrong as a whole.
    """
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or whole}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    )
