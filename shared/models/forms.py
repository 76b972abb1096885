"""What a text looks like that a pattern accepts, in words for people."""

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
