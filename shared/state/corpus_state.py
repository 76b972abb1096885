"""What is remembered of a corpus between runs: its lease, checkpoints and page etags."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import LeaseHeldError
from shared.models.run import EndpointCheckpoint
from shared.state.run_records import Clock, corpus_partition, utc_now
from shared.state.runs import RunStore
from shared.state.table import ConditionFailedError, StateTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write a corpus, until when (seconds since the epoch), and for how long each time."""

    run_id: str
    expires_at: float
    lifetime_seconds: int


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that was planned for a corpus."""

    run_id: str
    seq: int


class CorpusState:
    """Reads and writes the items of a corpus's partition."""

    def __init__(self, client: "DynamoDBClient", table_name: str, clock: Clock = utc_now) -> None:
        self._table = StateTable(client, table_name)
        self._clock = clock

    def lease(self, corpus: str) -> Lease | None:
        """Return the present lease, expired or not."""
        item = self._table.get(corpus_partition(corpus), "LEASE")
        if item is None:
            return None
        return Lease(item["run_id"], item["expires_at"], item["lifetime_seconds"])

    def acquire_lease(self, corpus: str, run_id: str, lifetime_seconds: int) -> None:
        """Take the corpus for a run, or renew what it holds already: never for less than before.

        Raises:
            LeaseHeldError: another run's lease has not expired; the message names that run.
        """
        now = self._clock().timestamp()
        try:
            self._table.put(
                {
                    "PK": corpus_partition(corpus),
                    "SK": "LEASE",
                    "run_id": run_id,
                    "expires_at": int(now) + lifetime_seconds,
                    "lifetime_seconds": lifetime_seconds,
                },
                "attribute_not_exists(PK) OR (run_id = :run AND lifetime_seconds <= :lifetime) OR "
                "(run_id <> :run AND expires_at <= :now)",
                {":run": run_id, ":now": int(now), ":lifetime": lifetime_seconds},
            )
        except ConditionFailedError:
            held = self.lease(corpus)
            if held is not None and held.run_id == run_id:
                # Who sweeps or resumes a run must not take its time: it would pass for abandoned.
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
        """End the run whose lease on the corpus has expired, so that `run_id` may begin.

        A run that has moved within its lease's lifetime is not abandoned: its lease is extended.

        Returns:
            The id of the run that was ended, or None.
        """
        held = self.lease(corpus)
        now = self._clock().timestamp()
        if held is None or held.run_id == run_id or held.expires_at > now:
            return None
        if not runs.exists(held.run_id):
            return None
        moved_at = runs.last_progress(held.run_id)
        expires_at = 0 if moved_at is None else int(moved_at.timestamp()) + held.lifetime_seconds
        if expires_at > now:
            self._extend_lease(corpus, held, expires_at)
            return None
        runs.fail_run(held.run_id, "the run did not end before its lease expired")
        return held.run_id

    def _extend_lease(self, corpus: str, held: Lease, expires_at: int) -> None:
        write = self._table.update_write(
            corpus_partition(corpus),
            "LEASE",
            "SET expires_at = :new",
            {":new": expires_at, ":run": held.run_id, ":old": int(held.expires_at)},
            "run_id = :run AND expires_at = :old",
        )
        with contextlib.suppress(ConditionFailedError):  # it has ended, or was extended by another
            self._table.transact([write])

    def note_planned(self, corpus: str, run: PlannedRun) -> None:
        """Remember the newest run of a corpus; an older one changes nothing."""
        item = {
            "PK": corpus_partition(corpus), "SK": "LATEST", "run_id": run.run_id, "seq": run.seq,
        }  # fmt: skip
        with contextlib.suppress(ConditionFailedError):  # a newer run was noted
            self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": run.seq})

    def latest_run(self, corpus: str) -> PlannedRun | None:
        """Return the newest run that was planned for a corpus."""
        item = self._table.get(corpus_partition(corpus), "LATEST")
        return None if item is None else PlannedRun(item["run_id"], item["seq"])

    def forget_progress(self, corpus: str) -> None:
        """Forget how far a corpus was read: the next run, of any mode, reads everything again."""
        partition = corpus_partition(corpus)
        for prefix in ("CHECKPOINT#", "ETAG#"):
            items = self._table.query(partition, prefix)
            self._table.transact_each(
                [self._table.delete_write(partition, item["SK"]) for item in items]
            )

    def checkpoint(self, corpus: str, endpoint: str) -> EndpointCheckpoint:
        """Return how far an endpoint was read; empty when it never was."""
        item = self._table.get(corpus_partition(corpus), f"CHECKPOINT#{endpoint}") or {}
        return EndpointCheckpoint(last_modified=item.get("last_modified"), etag=item.get("etag"))

    def page_etag(self, corpus: str, query_hash: str) -> str | None:
        """Return the etag of a page that an earlier run wholly indexed."""
        item = self._table.get(corpus_partition(corpus), f"ETAG#{query_hash}")
        return None if item is None else item["etag"]
