"""The first answers of a deployment, which are not shown: they take as long as a cold start does.

On a busy machine that is longer than API Gateway waits, and the function goes on meanwhile.
"""

import time
from collections.abc import Callable
from typing import Any

from scripts.demo.errors import StackError
from services.cli.ask.api import ApiClient
from services.cli.errors import UnavailableError

DEADLINE_SECONDS = 240.0
_PAUSE_SECONDS = 1.0
_QUESTION = "Who created Ultron?"


def warm_up(api_url: str, api_key: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Ask each function behind the API until it answers.

    Raises:
        StackError: one does not before the deadline; with its last error.
        UltronError: one refuses.
    """
    api = ApiClient(api_url, api_key)
    _ask(lambda: api.retrieve(_QUESTION, {}), deadline_seconds)
    _ask(lambda: api.chat({"message": _QUESTION}), deadline_seconds)


def _ask(call: Callable[[], Any], deadline_seconds: float) -> None:
    deadline = time.monotonic() + deadline_seconds
    while True:
        try:
            call()
        except UnavailableError as error:
            if time.monotonic() > deadline:
                raise StackError(
                    f"the API gave no answer within {deadline_seconds:.0f} s: {error}"
                ) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return
