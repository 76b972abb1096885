"""Finds the messages of a batch that may have ended earlier workers.

A worker that runs out of time or memory answers for no message of its batch, so SQS delivers all of
them again, with the one that caused it. That one would fail the others again, as often as the queue
allows. So a message whose last receive had no answer is a suspect: the stage does it after all
others and by itself, and notes before that it was begun; of several suspects, those that were begun
before come last. A message that fails in the usual way is noted as answered, and is no suspect.

All of it costs nothing while no message comes a second time, nor in batches of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.runs.failures import FailureLog, Receives


def receive_count(record: SQSRecord) -> int:
    """How often a message was received, this time included."""
    return int(record.attributes.approximate_receive_count or 1)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of earlier receives of the messages of one stage."""

    failures: FailureLog
    stage: str
    maximum_receives: int

    def line_up(self, records: Sequence[SQSRecord]) -> "Line":
        """Put the messages of a batch in the order in which they are done."""
        if len(records) < 2 or all(receive_count(record) == 1 for record in records):
            return Line(self, tuple(records), frozenset(), is_noted=len(records) > 1)
        noted = self.failures.receives(self.stage)
        suspects = frozenset(
            record.message_id for record in records if self._is_suspect(record, noted)
        )

        def rank(record: SQSRecord) -> tuple[int, int]:
            # Messages that are given up without any work come first: no worker can end before that.
            receives = receive_count(record)
            if receives > self.maximum_receives:
                return 0, receives
            if record.message_id not in suspects:
                return 1, receives
            known = noted.get(record.message_id)
            return (2 if known is None or known.begun is None else 3), receives

        ordered = tuple(sorted(records, key=rank))
        return Line(self, ordered, suspects, is_noted=True)

    def _is_suspect(self, record: SQSRecord, noted: dict[str, Receives]) -> bool:
        receives = receive_count(record)
        if not 1 < receives <= self.maximum_receives:
            return False
        known = noted.get(record.message_id)
        return known is None or known.answered != receives - 1


@dataclass(frozen=True, slots=True)
class Line:
    """The messages of a batch in order, and which of them are suspects.

    Nothing is noted of a message that is a batch by itself.
    """

    attempts: Attempts
    records: tuple[SQSRecord, ...]
    suspects: frozenset[str]
    is_noted: bool

    def is_suspect(self, record: SQSRecord) -> bool:
        """Whether a message is to be done by itself."""
        return record.message_id in self.suspects

    def begin(self, record: SQSRecord) -> None:
        """Note that a suspect is begun: if it ends this worker, it is done last next time."""
        if self.is_suspect(record):
            stage, receives = self.attempts.stage, receive_count(record)
            self.attempts.failures.note_begun(stage, record.message_id, receives)

    def answer(self, record: SQSRecord) -> None:
        """Note that a message which comes again had an answer this time."""
        if self.is_noted:
            stage, receives = self.attempts.stage, receive_count(record)
            self.attempts.failures.note_answered(stage, record.message_id, receives)

    def end(self, record: SQSRecord) -> None:
        """Forget what was noted of a message that does not come again."""
        if self.is_noted and receive_count(record) > 1:
            self.attempts.failures.forget_receives(self.attempts.stage, record.message_id)
