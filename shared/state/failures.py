"""Why messages were given up: readable beside the dead-letter queues, for as long as they hold."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.state.run_records import Clock, kept_reason, utc_now
from shared.state.table import StateTable
from shared.state.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT = timedelta(days=14)  # as long as a dead-letter queue keeps its messages


class FailureLog:
    """Records the last failure of each message."""

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

    def forget(self, stage: str, message_id: str) -> None:
        """Remove what was recorded of a message that is gone."""
        self._table.transact([self._table.delete_write(f"DLQ#{stage}", message_id)])
