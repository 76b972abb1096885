"""Transactions of DynamoDB: all writes or none, and a token that makes one only once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.aws.dynamodb_writes import Write
from tests.simulation.aws.typed_values import (
    Item,
    RefusedRequestError,
    copied_item,
    item_bytes,
    most_bytes,
)

MOST_WRITES = 100
LARGEST_TRANSACTION_BYTES = 4 * 1024 * 1024
TOKEN_KEPT = timedelta(minutes=10)

_PASSED = {"Code": "None"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a transaction comes to: the reasons why it is cancelled, one a write, or the results."""

    reasons: Sequence[Mapping[str, Any]]
    results: Sequence[Item | None]

    @property
    def is_cancelled(self) -> bool:
        """Whether a write was refused."""
        return any(reason["Code"] != "None" for reason in self.reasons)

    @property
    def message(self) -> str:
        """What DynamoDB says of a cancelled transaction."""
        codes = ", ".join(reason["Code"] for reason in self.reasons)
        return (
            "Transaction cancelled, please refer cancellation reasons for specific reasons"
            f" [{codes}]"
        )


def check_targets(writes: Sequence[Write]) -> None:
    """Refuse more than one write of an item in a transaction.

    Raises:
        RefusedRequestError: there is one.
    """
    if len({(write.table.name, write.key) for write in writes}) < len(writes):
        raise RefusedRequestError(
            "Transaction request cannot include multiple operations on one item"
        )


def decide(writes: Sequence[Write]) -> Decision:
    """Decide all writes by what is there, and make none.

    Raises:
        RefusedRequestError: the items are too large for one transaction.
    """
    reasons: list[Mapping[str, Any]] = []
    results: list[Item | None] = []
    pairs: list[tuple[Item | None, Item | None]] = []
    for write in writes:
        present = write.table.find(write.key)
        result = None
        if write.is_allowed(present):
            try:
                result = write.result(present)
                reasons.append(_PASSED)
            except RefusedRequestError as error:
                reasons.append({"Code": "ValidationError", "Message": str(error)})
        else:
            reasons.append(_failure(write, present))
        results.append(result)
        pairs.append((present, result))
    if _is_too_large(pairs):
        raise RefusedRequestError("Transaction size has exceeded the maximum allowed size of 4 MB")
    return Decision(reasons, results)


def _is_too_large(pairs: Sequence[tuple[Item | None, Item | None]]) -> bool:
    """Whether items are too large for a transaction, each as before or after it: the larger."""
    bound = sum(most_bytes(before) + most_bytes(after) for before, after in pairs)
    if bound <= LARGEST_TRANSACTION_BYTES:
        return False
    sizes = (max(item_bytes(before or {}), item_bytes(after or {})) for before, after in pairs)
    return sum(sizes) > LARGEST_TRANSACTION_BYTES


def _failure(write: Write, present: Item | None) -> Mapping[str, Any]:
    reason: dict[str, Any] = {
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
    }
    if write.returns_old_on_failure and present is not None:
        reason["Item"] = copied_item(present)
    return reason


class Tokens:
    """The tokens of the transactions that were made within the last ten minutes."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[datetime, Sequence[Write]]] = {}

    def find(self, token: str, now: datetime) -> Sequence[Write] | None:
        """Return the writes that were made under a token; None where it is not known."""
        while self._made:
            # They are in the order in which they were made.
            oldest = next(iter(self._made))
            if self._made[oldest][0] + TOKEN_KEPT >= now:
                break
            del self._made[oldest]
        found = self._made.get(token)
        return None if found is None else found[1]

    def note(self, token: str, now: datetime, writes: Sequence[Write]) -> None:
        """Remember a transaction that was made."""
        self._made[token] = now, writes
