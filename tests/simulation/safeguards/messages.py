"""Safeguards of messages: sending them, receiving them again, giving them up, redriving them."""

from tests.simulation.safeguards.mutant import Mutant

_PUBLISHER = "shared/messaging/publisher.py"
_RECORD = "shared/messaging/record_stage.py"
_STAGE = "shared/messaging/stage.py"
_MAINTENANCE = "shared/messaging/maintenance_stage.py"
_ATTEMPTS = "shared/messaging/attempts.py"
_REDELIVERY = "shared/messaging/redelivery.py"
_DEAD_LETTERS = "services/cli/dead_letter/handling.py"

MUTANTS = (
    Mutant(
        "unsent-messages-are-overlooked",
        _PUBLISHER,
        'failures = response.get("Failed", [])',
        "failures = []",
        "Messages that SQS left out of a batch are sent again.",
    ),
    Mutant(
        "unsent-messages-are-not-sent-again",
        _PUBLISHER,
        "_ATTEMPTS = 4",
        "_ATTEMPTS = 1",
        "A passing failure of one message does not fail the job that sends it.",
    ),
    Mutant(
        "work-is-done-at-the-extra-receive",
        _RECORD,
        """\
        if receives > self._state.maximum_receives:
            self._give_up(record)
            return
        job: ContractT | None = None
""",
        """\
        job: ContractT | None = None
""",
        "A message whose worker always dies is recorded before it becomes a dead-letter message.",
    ),
    Mutant(
        "last-failure-is-not-recorded",
        _RECORD,
        """\
        self._record(record, job, failure)
        self._state.redelivery.give_up(record)
""",
        """\
        self._state.redelivery.give_up(record)
""",
        "The reason of the last failure is kept, and the page fails at once.",
    ),
    Mutant(
        "given-up-job-leaves-its-page-open",
        _RECORD,
        """\
        if job is not None:
            self._end(job, failure)
""",
        "",
        "The page of a message that is given up fails, so that its run ends.",
    ),
    Mutant(
        "half-given-up-job-leaves-its-page-open",
        _RECORD,
        """\
        elif job is not None:
            # The worker that recorded it may have ended before it did the rest.
            self._end(job, Failure(recorded["code"], recorded["reason"]))
""",
        "",
        "A worker that died while it gave a message up is made up for.",
    ),
    Mutant(
        "done-job-becomes-a-dead-letter",
        _RECORD,
        """\
        if job is not None and self._is_done(job):
            return
        error = NoAnswerError(
""",
        """\
        error = NoAnswerError(
""",
        "A message whose job is done is no failure, even if its worker ended without an answer.",
    ),
    Mutant(
        "failed-message-waits-for-the-queue",
        _RECORD,
        """\
            self._state.redelivery.schedule(record, receives)
            return
""",
        """\
            return
""",
        "A failed message comes back in seconds and not after the queue's long timeout.",
    ),
    Mutant(
        "job-is-begun-without-time",
        _RECORD,
        "if not time_left.is_enough():",
        "if False:",
        "A worker begins no job that it has no time to finish.",
    ),
    Mutant(
        "recorded-job-is-done-again",
        _STAGE,
        """\
    if not runs.ledger.finish_recorded(job, stage, job_part(job)):
        return False
""",
        """\
    return False
""",
        "A job that is delivered again after it was done changes nothing.",
    ),
    Mutant(
        "skipped-job-leaves-its-page-open",
        _STAGE,
        "if not runs.ledger.finish_recorded(job, stage, job_part(job)):",
        "if not runs.ledger.is_recorded(job, stage, job_part(job)):",
        "A worker that died between the record of a job and the end of its page is made up for.",
    ),
    Mutant(
        "job-of-a-cancelled-run-is-done",
        _STAGE,
        """\
    if runs.cancelled.has(job.run_id):
        logger.info("dropped a job of a cancelled run", extra={"page_id": job.page_id})
        return True
""",
        "",
        "The jobs of a cancelled run are dropped.",
    ),
    Mutant(
        "recorded-job-is-committed-again",
        _STAGE,
        "            if self._is_done(job):\n                outcomes",
        "            if False:\n                outcomes",
        "An index job that comes again does not bring back a shard that was merged away.",
    ),
    Mutant(
        "waiting-makes-dead-letters",
        _STAGE,
        "is_sent_again = receives * 2 >= self._state.maximum_receives",
        "is_sent_again = False",
        "A job that only waits for its slot does not become a dead-letter message.",
    ),
    Mutant(
        "lost-sweep-leaves-its-run-open",
        _MAINTENANCE,
        "if run_id is not None and self._state.runs.reader.exists(run_id):",
        "if False:",
        "A run whose sweep is given up ends.",
    ),
    Mutant(
        "waiting-rebuild-fails",
        _MAINTENANCE,
        "self._state.redelivery.send_later(job, error.seconds)",
        "raise",
        "A rebuild that waits for a long run does not become a dead-letter message.",
    ),
    Mutant(
        "suspects-are-not-set-apart",
        _ATTEMPTS,
        "return known is None or known.answered != receives - 1",
        "return False",
        "A message that ends its worker does not take the others of its batch along.",
    ),
    Mutant(
        "message-that-cannot-be-hidden-fails",
        _REDELIVERY,
        "except (ClientError, BotoCoreError) as error:",
        "except UnicodeError as error:",
        "Where a message cannot be hidden, the queue's own timeout holds.",
    ),
    Mutant(
        "message-deleted-before-it-is-sent",
        _DEAD_LETTERS,
        """\
                try:
                    sent.add(self._send(stage, message))
                except UltronError as error:
                    failed[message.message_id] = str(error)
                    continue
                self._forget(stage, held, message)
""",
        """\
                self._forget(stage, held, message)
                try:
                    sent.add(self._send(stage, message))
                except UltronError as error:
                    failed[message.message_id] = str(error)
                    continue
""",
        "A redrive that is cut off loses no message.",
    ),
    Mutant(
        "message-dropped-before-its-page-ends",
        _DEAD_LETTERS,
        """\
        self._give_up(stage, body)
        self._forget(stage, held, message)
        return meaning_of_drop(stage, body)
""",
        """\
        self._forget(stage, held, message)
        self._give_up(stage, body)
        return meaning_of_drop(stage, body)
""",
        "A message that is dropped is deleted last, so that no run waits for it.",
    ),
    Mutant(
        "dropped-message-leaves-its-page-open",
        _DEAD_LETTERS,
        """\
        self._give_up(stage, body)
        self._forget(stage, held, message)
        return meaning_of_drop(stage, body)
""",
        """\
        self._forget(stage, held, message)
        return meaning_of_drop(stage, body)
""",
        "The page of a message that is dropped fails, and its run ends.",
    ),
)
