"""Which shards a worker asked to merge, so that no other worker asks again at once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.runs.table_keys import corpus_partition
from shared.table.table import ConditionFailedError, StateTable
from shared.table.table_clock import TableClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LIFETIME = timedelta(hours=1)


class CompactionClaims:
    """Items of a corpus, one a shard, that expire by themselves.

    They only save work: shards that are merged twice are committed once.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: TableClock) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock

    def claim(self, corpus: str, shard_ids: Sequence[str]) -> bool:
        """Claim all of at most 100 shards for an hour, or none when one of them is claimed."""
        now = self._clock.now()
        expires_at = int((now + _LIFETIME).timestamp())
        writes = [
            self._table.put_write(
                {
                    "PK": corpus_partition(corpus),
                    "SK": f"COMPACTION#{shard_id}",
                    "expires_at": expires_at,
                    "ttl": expires_at,
                },
                # Expired items are deleted some time after they expire, up to days later.
                "attribute_not_exists(PK) OR expires_at <= :now",
                {":now": int(now.timestamp())},
            )
            for shard_id in shard_ids
        ]
        try:
            self._table.transact(writes)
        except ConditionFailedError:
            return False
        return True
