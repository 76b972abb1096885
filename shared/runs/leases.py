"""The lease of a corpus: who may write it, and until when."""

from dataclasses import dataclass
from typing import Any

from shared.errors import ConflictError

RUN_LEASE_SECONDS = 6 * 3600
"""How long after its last progress a run may hold its corpus, unless ingest is set otherwise."""

IS_UNCHANGED = "run_id = :holder AND expires_at = :expires_at"
"""The condition of a write that holds only while a lease is as it was read."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write a corpus, until when (seconds since the epoch), and for how long each time.

    `expires_at` is a time of the table's clock.
    """

    run_id: str
    expires_at: int
    lifetime_seconds: int

    @property
    def as_values(self) -> dict[str, Any]:
        """The values of the condition `IS_UNCHANGED`."""
        return {":holder": self.run_id, ":expires_at": self.expires_at}


def lease_changed(lease: Lease) -> ConflictError:
    """Return the error of a process that decided by a lease which has changed since."""
    return ConflictError(
        f"run {lease.run_id} renewed its lease or gave it back while it was closed as abandoned; "
        "try again"
    )
