"""Safeguards of planning runs, of closing those that stand still, and of steering them."""

from tests.simulation.safeguards.mutant import Mutant

_PLAN = "services/ingest/plan_run.py"
_STALLED = "services/ingest/stalled_run.py"
_STEER = "services/ingest/steer_run.py"

MUTANTS = (
    Mutant(
        "checkpoint-of-the-last-plan",
        _PLAN,
        "checkpoints = self.runs.planning.note_checkpoints(record.run_id, plan.next_checkpoints)",
        "checkpoints = plan.next_checkpoints",
        "The next run asks for what changed since the first plan of this one.",
    ),
    Mutant(
        "pages-of-the-first-plan-left-out",
        _PLAN,
        "self.publisher.publish(self.runs.reader.unfetched_pages(record.run_id))",
        "self.publisher.publish(_page_jobs(record, plan))",
        "Pages that an interrupted plan has added are fetched, too.",
    ),
    Mutant(
        "planned-before-published",
        _PLAN,
        """\
        self.publisher.publish(self.runs.reader.unfetched_pages(record.run_id))
        self.runs.planning.finish_planning(
            record.run_id, checkpoints, plan.records, lease_seconds=self.lease_seconds
        )
""",
        """\
        self.runs.planning.finish_planning(
            record.run_id, checkpoints, plan.records, lease_seconds=self.lease_seconds
        )
        self.publisher.publish(self.runs.reader.unfetched_pages(record.run_id))
""",
        "A run that is running has a message for each of its pages.",
    ),
    Mutant(
        "repeated-request-starts-another-run",
        _PLAN,
        'if lease is not None and lease.run_id.endswith(f"-{request.request_hash}"):',
        "if False:",
        "A request that is delivered again goes on with the run that it began.",
    ),
    Mutant(
        "twin-keeps-the-lease-of-an-ended-run",
        _PLAN,
        """\
            self.state.release_lease(corpus.name, run_id)
        elif record.status == "planning":
""",
        """\
            pass
        elif record.status == "planning":
""",
        "A second delivery of a request does not keep the corpus of a run that has ended.",
    ),
    Mutant(
        "run-stays-in-planning-after-an-error",
        _PLAN,
        'self.runs.steering.fail_run(record.run_id, f"planning failed: {error.code}: {error}")',
        "raise",
        "A run whose source cannot be planned fails, and gives its corpus back.",
    ),
    Mutant(
        "cancelled-plan-stays-open",
        _PLAN,
        "self.runs.steering.finish_cancel(record.run_id)",
        "pass",
        "A run that is cancelled while it is planned ends, and gives its corpus back.",
    ),
    Mutant(
        "stalled-run-is-never-closed",
        _PLAN,
        "if held is not None and not self.close_stalled(held.run_id):",
        "if held is not None:",
        "A run that no message can move any more does not hold its corpus for hours.",
    ),
    Mutant(
        "run-stalls-at-once",
        _STALLED,
        "if moved_at is None or self.clock.now() - moved_at < QUIET:",
        "if moved_at is None:",
        "A run that has just moved is not closed, as the counts of SQS are behind.",
    ),
    Mutant(
        "run-stalls-while-messages-wait",
        _STALLED,
        "if not all(self._is_empty(url) for url in self.queue_urls):",
        "if False:",
        "A run that a message can still move is not closed.",
    ),
    Mutant(
        "run-that-just-moved-is-stalled",
        _STALLED,
        """\
        if self.runs.reader.last_progress(run_id) != moved_at:
            return False
""",
        "",
        "A run that moved while the queues were looked at is not closed.",
    ),
    Mutant(
        "message-in-work-is-overlooked",
        _STALLED,
        """\
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
""",
        """\
    "ApproximateNumberOfMessagesDelayed",
""",
        "A run that a worker is at work for, or that waits for a redelivery, is not closed.",
    ),
    Mutant(
        "queues-looked-at-backwards",
        _STALLED,
        "if not all(self._is_empty(url) for url in self.queue_urls):",
        "if not all(self._is_empty(url) for url in reversed(self.queue_urls)):",
        "A message that moves on while the queues are looked at is seen in one of them.",
    ),
    Mutant(
        "stalled-run-loses-its-sweep",
        _STALLED,
        "if self.runs.endings.awaits_sweep(run_id):",
        "if False:",
        "A run whose pages are all done and whose sweep was lost ends as incomplete, not failed.",
    ),
    Mutant(
        "stalled-run-fails-with-complete-pages",
        _STALLED,
        "if self.runs.ledger.end_complete_pages(self.runs.reader.pages(run_id)):",
        "if False:",
        "A page whose last worker did not end it ends as done, and not as failed with its run.",
    ),
    Mutant(
        "run-below-the-floor-goes-on",
        _STEER,
        "if run.seq < self.floor.read(run.corpus):",
        "if False:",
        "A run whose work the index would refuse is not resumed, as it would pass for done.",
    ),
    Mutant(
        "gaps-of-an-older-run-are-retried",
        _STEER,
        "if latest is not None and latest.run_id != run_id:",
        "if False:",
        "A run that a newer one has followed is not opened again.",
    ),
    Mutant(
        "cancelled-run-is-resumed",
        _STEER,
        "if run.cancel_requested is not None:",
        "if False:",
        "A run that is being cancelled is not resumed.",
    ),
    Mutant(
        "steering-keeps-the-lease-of-an-ended-run",
        _STEER,
        """\
            if self.planner.runs.reader.get_run(run_id).is_ended:
                self.planner.state.release_lease(corpus, run_id)
""",
        """\
            pass
""",
        "A run that ends while it is steered does not keep its corpus.",
    ),
    Mutant(
        "gaps-retried-without-the-lease",
        _STEER,
        "        self.planner.take_lease(corpus, run_id)\n",
        "",
        "Only a run that holds its corpus goes on or takes up its gaps.",
    ),
    Mutant(
        "resumed-run-publishes-nothing",
        _STEER,
        "planner.publisher.publish(planner.runs.reader.unfetched_pages(run_id))",
        "pass",
        "A run that is taken up again has a message for each page that is to be read.",
    ),
)
