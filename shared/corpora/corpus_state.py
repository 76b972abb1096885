"""What is remembered of a corpus between runs: its lease, checkpoints and page etags."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import LeaseHeldError
from shared.models.run import EndpointCheckpoint
from shared.runs.leases import IS_UNCHANGED, Lease
from shared.runs.run_store import RunStore
from shared.runs.table_keys import corpus_partition
from shared.table.table import ConditionFailedError, StateTable
from shared.table.table_clock import TableClock
from shared.table.typed_values import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_READ_AGAIN_KEY = "READ_AGAIN"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that was planned for a corpus; `model_prefix` as in its record."""

    run_id: str
    seq: int
    model_prefix: str | None = None


class CorpusState:
    """Reads and writes the items of a corpus's partition.

    `clock` is the table's: leases are compared with no other.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: TableClock) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock

    def lease(self, corpus: str) -> Lease | None:
        """Return the present lease, expired or not."""
        item = self._table.get(corpus_partition(corpus), "LEASE")
        if item is None:
            return None
        return Lease(item["run_id"], item["expires_at"], item["lifetime_seconds"])

    def acquire_lease(self, corpus: str, run_id: str, lifetime_seconds: int) -> None:
        """Take a corpus that is free for a run, or renew what it holds: never for less than before.

        An expired lease is still one: `close_abandoned_run` gives the corpus back.

        Raises:
            LeaseHeldError: another run holds the corpus; the message names that run.
        """
        try:
            self._table.put(
                {
                    "PK": corpus_partition(corpus),
                    "SK": "LEASE",
                    "run_id": run_id,
                    "expires_at": int(self._clock.now().timestamp()) + lifetime_seconds,
                    "lifetime_seconds": lifetime_seconds,
                },
                "attribute_not_exists(PK) OR (run_id = :run AND lifetime_seconds <= :lifetime)",
                {":run": run_id, ":lifetime": lifetime_seconds},
            )
        except ConditionFailedError:
            held = self.lease(corpus)
            if held is not None and held.run_id == run_id:
                # A process that sweeps or resumes a run must not shorten its lease: the run would
                # look abandoned.
                self.acquire_lease(corpus, run_id, held.lifetime_seconds)
                return
            holder = held.run_id if held else "another run"
            raise LeaseHeldError(
                f"corpus {corpus} is being ingested by run {holder}; wait for it to end"
            ) from None

    def release_lease(self, corpus: str, run_id: str) -> None:
        """Give the corpus back if the run still holds it."""
        write = self._table.delete_write(
            corpus_partition(corpus), "LEASE", "run_id = :run", {":run": run_id}
        )
        with contextlib.suppress(ConditionFailedError):  # another run's lease, or none: not ours
            self._table.transact([write])

    def close_abandoned_run(self, corpus: str, run_id: str, runs: RunStore) -> str | None:
        """Give the corpus back if its lease has expired, so that `run_id` may take it.

        The run that held it is ended, if it began at all. A run that has moved within its lease's
        lifetime is not abandoned: its lease is extended.

        Returns:
            The id of the run that was ended, or None.

        Raises:
            ConflictError: the lease was renewed or given back meanwhile.
        """
        held = self.lease(corpus)
        if held is None or held.run_id == run_id or not self._is_past(held.expires_at):
            return None
        if not runs.reader.exists(held.run_id):
            self._release(corpus, held)
            return None
        moved_at = runs.reader.last_progress(held.run_id)
        if moved_at is not None:
            expires_at = int(moved_at.timestamp()) + held.lifetime_seconds
            if not self._is_past(expires_at):
                self._extend_lease(corpus, held, expires_at)
                return None
        is_closed = runs.steering.fail_abandoned_run(
            held, "the run did not end before its lease expired"
        )
        if is_closed:
            return held.run_id
        self._release(corpus, held)
        return None

    def _is_past(self, moment: int) -> bool:
        return self._clock.now().timestamp() >= moment

    def _release(self, corpus: str, held: Lease) -> None:
        """Delete a lease unless it was renewed since it was read."""
        write = self._table.delete_write(
            corpus_partition(corpus), "LEASE", IS_UNCHANGED, held.as_values
        )
        with contextlib.suppress(ConditionFailedError):  # it was renewed, or given back
            self._table.transact([write])

    def _extend_lease(self, corpus: str, held: Lease, expires_at: int) -> None:
        write = self._table.update_write(
            corpus_partition(corpus),
            "LEASE",
            "SET expires_at = :new",
            {":new": expires_at, **held.as_values},
            IS_UNCHANGED,
        )
        with contextlib.suppress(ConditionFailedError):  # it has ended, or was extended by another
            self._table.transact([write])

    def latest_run(self, corpus: str) -> PlannedRun | None:
        """Return the newest run of a corpus; no other had a greater `seq`."""
        item = self._table.get(corpus_partition(corpus), "LATEST")
        if item is None:
            return None
        return PlannedRun(item["run_id"], item["seq"], item.get("model_prefix"))

    def note_swept(self, corpus: str, run_id: str, seq: int) -> None:
        """Remember the last run after which what it did not see was deleted."""
        item = {"PK": corpus_partition(corpus), "SK": "SWEPT", "run_id": run_id, "seq": seq}
        with contextlib.suppress(ConditionFailedError):  # a newer one is remembered
            self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": seq})

    def last_swept(self, corpus: str) -> PlannedRun | None:
        """Return the run that `note_swept` remembers; None before the first."""
        item = self._table.get(corpus_partition(corpus), "SWEPT")
        return None if item is None else PlannedRun(item["run_id"], item["seq"])

    def forget_progress(self, corpus: str) -> None:
        """Forget how far a corpus was read: the next run, in any mode, reads everything again.

        Checkpoints and etags of the runs so far do not count from now on. They are not deleted, as
        a worker of such a run may still be about to write one.
        """
        latest = self.latest_run(corpus)
        if latest is None:
            return
        item = {"PK": corpus_partition(corpus), "SK": _READ_AGAIN_KEY, "seq": latest.seq}
        with contextlib.suppress(ConditionFailedError):  # what came later is forgotten already
            self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": latest.seq})

    def checkpoint(self, corpus: str, endpoint: str, *, since_seq: int) -> EndpointCheckpoint:
        """Return how far an endpoint was read; empty when it never was.

        It has an etag only when a run of `since_seq` or later kept it (`RunRecord.trusted_seq`).
        """
        item = self._progress(corpus, f"CHECKPOINT#{endpoint}") or {}
        etag = item.get("etag") if item.get("seq", 0) >= since_seq else None
        return EndpointCheckpoint(last_modified=item.get("last_modified"), etag=etag)

    def page_etag(self, corpus: str, query_hash: str, *, since_seq: int) -> str | None:
        """Return the etag of a page that a run of `since_seq` or later indexed, or found so."""
        item = self._progress(corpus, f"ETAG#{query_hash}")
        return None if item is None or item.get("seq", 0) < since_seq else item["etag"]

    def confirm_page_etag(self, corpus: str, query_hash: str, etag: str, seq: int) -> None:
        """Say that the run of `seq` found a page still as its etag says."""
        write = self._table.update_write(
            corpus_partition(corpus),
            f"ETAG#{query_hash}",
            "SET seq = :seq",
            {":seq": seq, ":etag": etag},
            "etag = :etag AND seq < :seq",
        )
        with contextlib.suppress(ConditionFailedError):  # it was read otherwise, or by a newer run
            self._table.transact([write])

    def _progress(self, corpus: str, sort_key: str) -> Item | None:
        """Return what a run kept of its progress, unless the progress of that run is forgotten."""
        partition = corpus_partition(corpus)
        # In this order: what is forgotten between the two reads does not count.
        item = self._table.get(partition, sort_key)
        if item is None:
            return None
        forgotten = self._table.get(partition, _READ_AGAIN_KEY)
        # An item of an earlier release says nothing of its run.
        is_forgotten = forgotten is not None and item.get("seq", 0) <= forgotten["seq"]
        return None if is_forgotten else item
