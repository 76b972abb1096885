"""The writes that several parts of the run records make, dated by the table's time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.runs.table_keys import corpus_partition, counters_partition
from shared.table.table import StateTable
from shared.table.table_clock import TableClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

PAGES_AT_ONCE = 98
"""How many pages one transaction moves: it holds a hundred writes, two of them the run's own."""

_LONGEST_REASON = 2_000


class RunWrites:
    """Makes writes for the transactions of others; `clock` is the table's, as others compare it."""

    def __init__(self, table: StateTable, clock: TableClock) -> None:
        self._table = table
        self._clock = clock

    def lease(self, corpus: str, run_id: str, lifetime_seconds: int) -> "TransactWriteItemTypeDef":
        """Renew the lease of a run from now on; refused where another run holds the corpus."""
        return self._table.update_write(
            corpus_partition(corpus),
            "LEASE",
            "SET run_id = :run, expires_at = :expires_at, lifetime_seconds = :lifetime",
            {
                ":run": run_id,
                ":expires_at": int(self._clock.now().timestamp()) + lifetime_seconds,
                ":lifetime": lifetime_seconds,
            },
            "attribute_not_exists(PK) OR run_id = :run",
        )

    def count(self, run_id: str, row: int, counts: Mapping[str, int]) -> "TransactWriteItemTypeDef":
        """Move counters of a run in one of its rows."""
        return self._table.update_write(
            counters_partition(run_id),
            f"ROW#{row}",
            "ADD " + ", ".join(f"{name} :{name}" for name in counts) + " SET moved_at = :now",
            {f":{name}": count for name, count in counts.items()} | {":now": self.now()},
        )

    def now(self) -> str:
        """Return the table's time, as records keep it."""
        return self._clock.now().isoformat(timespec="milliseconds")


def kept_reason(reason: str) -> str:
    """Return a reason as an item keeps it: cut where long, as it may quote foreign text."""
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} [...]"
