"""Runs one list of calls on a client in memory and on a local AWS, and compares the answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

Call = tuple[str, dict[str, Any]]
"""A method of a client, and its parameters."""

Notes = dict[str, Any]
"""What earlier answers told and later calls need, such as the handle of a message."""


def outcome(client: object, call: Call, shown: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Make a call; return what `shown` shows of its answer, or the code of its error."""
    method, request = call
    try:
        answer: Mapping[str, Any] = getattr(client, method)(**request)
    except ClientError as error:
        response: Any = error.response
        reasons = [reason["Code"] for reason in response.get("CancellationReasons", [])]
        return ("error", response["Error"]["Code"], reasons, response.get("Item"))
    return shown(answer)


def disagreements(
    calls: Sequence[Call], memory: Callable[[Call], Any], local_aws: Callable[[Call], Any]
) -> list[str]:
    """Return the calls whose outcomes differ, each with both outcomes.

    All calls are made on the one client before the other, so that neither waits for the other.
    """
    ours = [memory(call) for call in calls]
    theirs = [local_aws(call) for call in calls]
    return [
        f"{number}: {json.dumps(call, default=repr)[:300]}\n  memory {mine}\n  local AWS {other}"
        for number, (call, mine, other) in enumerate(zip(calls, ours, theirs, strict=True))
        if mine != other
    ]
