"""The one error of these tools."""


class StackError(Exception):
    """A step failed; the message is one sentence for the person at the terminal."""
