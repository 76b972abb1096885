"""Ends a run that nothing can move any more, before its lease has expired.

When a function cannot even start, none of our code runs: its messages go to the dead-letter queue,
their pages stay open, and the run would hold its corpus for hours. Ingest looks for such a run only
when it refuses a run as `busy`, so an idle deployment pays nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.platform.observability import logger
from shared.runs.run_store import RunStore
from shared.table.table_clock import TableClock

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

QUIET = timedelta(minutes=20)
"""Longer than any function may run. SQS counts exactly a minute after the last message was sent."""

_COUNTS: "tuple[QueueAttributeNameType, ...]" = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_REASON = (
    "no queue holds a message that could move it; the dead-letter messages (`ultron dlq list`) "
    "may say why"
)


@dataclass(frozen=True, slots=True)
class StalledRuns:
    """Looks at the queues of all stages, `queue_urls`, in the order in which a page passes them.

    So a message that moves on meanwhile is seen. It may move without a record: a redelivery after
    the last page has ended asks for the sweep that its first worker died before.
    """

    queues: "SQSClient"
    queue_urls: Sequence[str]
    runs: RunStore
    clock: TableClock

    def close(self, run_id: str) -> bool:
        """End a run if it has not moved for long and no stage has any message, hidden or not.

        A worker publishes, then records, and only then is its message deleted: a worker that moves
        a message on during the check of the queues has recorded it by the end of the check. If a
        message was overlooked all the same, its page may still become done; the run stays failed,
        and the next one reads again what it read.

        A run of which pages are complete and open moves by their end, and is ended later if that
        did not end it.
        """
        if not self.runs.reader.exists(run_id):
            return False
        moved_at = self.runs.reader.last_progress(run_id)
        if moved_at is None or self.clock.now() - moved_at < QUIET:
            return False
        if not all(self._is_empty(url) for url in self.queue_urls):
            return False
        if self.runs.reader.last_progress(run_id) != moved_at:
            return False
        if self.runs.ledger.end_complete_pages(self.runs.reader.pages(run_id)):
            return self.runs.reader.get_run(run_id).is_ended
        logger.warning("a run is ended: no message can move it", extra={"stalled_run_id": run_id})
        if self.runs.endings.awaits_sweep(run_id):
            self.runs.endings.give_up_sweep(run_id, f"it was not swept: {_REASON}")
        else:
            self.runs.steering.fail_run(run_id, f"it stood still: {_REASON}")
        return True

    def _is_empty(self, url: str) -> bool:
        found = self.queues.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))
        return all(int(found["Attributes"][name]) == 0 for name in _COUNTS)
