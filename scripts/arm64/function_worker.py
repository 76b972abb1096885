"""A function of Lambda as a process: imports the handler, then answers an event a line.

    python … function_worker.py services.fetch.handler.handler

Takes one JSON object a line, `{"event": …}`, and prints one: `{"ready": machine}` first, then
`{"answer": …}` or `{"error": …, "module": …}`. What the function itself prints goes to its errors.
Stands on Python's own library alone: all else comes from the bundle.
"""

import importlib
import json
import os
import platform
import sys
import time
import traceback
import uuid
from typing import IO, Any

_TIMEOUT_SECONDS = 900.0  # Lambda's longest: an emulator takes ten times as long as the machine


class InvocationContext:
    """What Lambda passes beside the event, as far as it can be known here."""

    def __init__(self) -> None:
        """Begin the time that is left."""
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = "$LATEST"
        self.memory_limit_in_mb = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
        self.invoked_function_arn = os.environ["ULTRON_FUNCTION_ARN"]
        self._deadline = time.monotonic() + _TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would end the invocation."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def describe(error: BaseException) -> dict[str, Any]:
    """The error for the caller; `module` is what could not be imported."""
    module = error.name if isinstance(error, ImportError) else None
    return {"error": f"{type(error).__name__}: {error}", "module": module}


def main(name: str, answers: IO[str]) -> None:
    """Serve events until there are no more."""

    def say(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    try:
        module, _, attribute = name.rpartition(".")
        handler = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
        traceback.print_exc()
        say(describe(error))
        return
    say({"ready": platform.machine()})
    for line in sys.stdin:
        try:
            say({"answer": handler(json.loads(line)["event"], InvocationContext())})
        except Exception as error:  # noqa: BLE001 - the next event may fare better
            traceback.print_exc()
            say(describe(error))


if __name__ == "__main__":
    # The function may print; only the answers may go where the caller reads them.
    own_output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(sys.argv[1], own_output)
