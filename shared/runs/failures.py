"""Why messages were given up: readable beside the dead-letter queues, for as long as they hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.runs.run_writes import kept_reason
from shared.table.table import StateTable
from shared.table.table_clock import Clock, utc_now
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT = timedelta(days=14)  # as long as a dead-letter queue keeps its messages


_RECEIVES = "RECEIVES#"


@dataclass(frozen=True, slots=True)
class Receives:
    """The receive that a worker last answered for, and the one at which it last began alone."""

    answered: int | None
    begun: int | None


class FailureLog:
    """Records the last failure of each message, and what must be known of the receives before."""

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: Clock = utc_now) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock

    def record(
        self, stage: str, message_id: str, code: str, reason: str, run_id: str | None = None
    ) -> None:
        """Write why a message of a stage failed for the last time."""
        self._table.put(
            {
                "PK": f"DLQ#{stage}",
                "SK": message_id,
                "code": code,
                "reason": kept_reason(reason),
                "run_id": run_id,
                "failed_at": self._clock().isoformat(timespec="milliseconds"),
                "ttl": int((self._clock() + _KEPT).timestamp()),
            }
        )

    def reason(self, stage: str, message_id: str) -> Item | None:
        """Return `code`, `reason`, `run_id` and `failed_at` of a message, if it was recorded."""
        return self._table.get(f"DLQ#{stage}", message_id)

    def reasons(self, stage: str, message_ids: Iterable[str]) -> dict[str, Item]:
        """Return the same of several messages, by message id; those not recorded are left out."""
        keys = [(f"DLQ#{stage}", message_id) for message_id in message_ids]
        return {item["SK"]: item for item in self._table.get_many(keys)}

    def receives(self, stage: str) -> dict[str, Receives]:
        """Return what is noted of the messages of a stage that were received before, by id."""
        return {
            item["SK"].removeprefix(_RECEIVES): Receives(item.get("answered"), item.get("begun"))
            for item in self._table.query(f"DLQ#{stage}", _RECEIVES)
        }

    def note_begun(self, stage: str, message_id: str, receives: int) -> None:
        """Note that a message is worked on by itself, from its `receives`-th receive on."""
        self._note(stage, message_id, "begun", receives)

    def note_answered(self, stage: str, message_id: str, receives: int) -> None:
        """Note that the worker of the `receives`-th receive of a message answered for it."""
        self._note(stage, message_id, "answered", receives)

    def _note(self, stage: str, message_id: str, name: str, receives: int) -> None:
        write = self._table.update_write(
            f"DLQ#{stage}",
            f"{_RECEIVES}{message_id}",
            f"SET {name} = :receives, #ttl = :ttl",
            {":receives": receives, ":ttl": int((self._clock() + _KEPT).timestamp())},
            names={"#ttl": "ttl"},
        )
        self._table.transact([write])

    def forget_receives(self, stage: str, message_id: str) -> None:
        """Remove what was noted of the receives of a message."""
        write = self._table.delete_write(f"DLQ#{stage}", f"{_RECEIVES}{message_id}")
        self._table.transact([write])

    def forget(self, stage: str, message_id: str) -> None:
        """Remove what was recorded of a message that is gone."""
        self._table.transact([self._table.delete_write(f"DLQ#{stage}", message_id)])
