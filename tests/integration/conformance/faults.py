"""The faults that every source must live with."""

import gzip
from dataclasses import replace

from tests.integration.conformance.site import Answer, Effect


def status(code: int, **headers: str) -> Effect:
    """Another status instead of the page."""
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _answer: Answer((b"not now",), code, sent)


refused_for_now = status(503, Retry_After="40")
"""Too busy, with a word on when to come back."""


def hung_up(answer: Answer) -> Answer:
    """Nothing of what was announced."""
    return replace(answer, pieces=(), announced_bytes=len(answer.body))


def slowly(answer: Answer) -> Answer:
    """The right answer, byte by byte at first."""
    body = answer.body
    return replace(answer, pieces=(*(body[n : n + 1] for n in range(40)), body[40:]))


def stalled(answer: Answer) -> Answer:
    """Half of the answer, and then nothing."""
    half = answer.body[: len(answer.body) // 2]
    return replace(answer, pieces=(half,), announced_bytes=len(answer.body), is_stalling=True)


def cut_short(answer: Answer) -> Answer:
    """Half of the answer, and the connection is closed."""
    half = answer.body[: len(answer.body) // 2]
    return replace(answer, pieces=(half,), announced_bytes=len(answer.body))


def truncated_gzip(answer: Answer) -> Answer:
    """Gzip whose end is missing, of the length that was announced."""
    packed = gzip.compress(answer.body)[:-9]
    return replace(
        answer, pieces=(packed,), headers=(*answer.headers, ("Content-Encoding", "gzip"))
    )


def wrong_form(answer: Answer) -> Answer:
    """Something else than what the source speaks, with status 200."""
    return replace(answer, pieces=(b"<<< under maintenance",))


def redirected(url: str) -> Effect:
    """A redirect to another place."""
    return lambda _answer: Answer((b"",), 302, (("Location", url),))
