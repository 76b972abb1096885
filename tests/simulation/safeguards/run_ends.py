"""Safeguards of how runs are planned to their ends, end, are closed and reopened."""

from tests.simulation.safeguards.mutant import Mutant

_ENDINGS = "shared/runs/run_endings.py"
_PLANNING = "shared/runs/run_planning.py"
_CONTROL = "shared/runs/run_steering.py"
_READER = "shared/runs/run_reader.py"

MUTANTS = (
    Mutant(
        "checkpoint-of-a-second-plan-is-kept",
        _PLANNING,
        '"next_checkpoints = :none",',
        '"next_checkpoints = :none OR attribute_not_exists(absent)",',
        "A run counts from its first plan, as pages may have been read between two plans.",
    ),
    Mutant(
        "cancelled-run-is-planned-to-its-end",
        _PLANNING,
        '"#status = :planning AND attribute_not_exists(cancel_requested)",',
        '"#status = :planning",',
        "A run that is cancelled while it is planned does not begin to run.",
    ),
    Mutant(
        "planning-revives-an-ended-run",
        _PLANNING,
        '"#status = :planning AND attribute_not_exists(cancel_requested)",',
        '"(#status = :planning OR attribute_not_exists(absent)) AND '
        'attribute_not_exists(cancel_requested)",',
        "A planner that comes late does not set a run that has ended back to running.",
    ),
    Mutant(
        "planned-run-keeps-the-short-lease",
        _PLANNING,
        "self._table.transact([write, self._writes.lease(corpus, run_id, lease_seconds)])",
        "self._table.transact([write])",
        "A run that is planned holds its corpus while it moves, not for minutes only.",
    ),
    Mutant(
        "run-ends-over-a-change",
        _ENDINGS,
        'condition = "#status = :before AND changes = :changes"',
        'condition = "#status = :before AND (changes = :changes OR attribute_not_exists(absent))"',
        "A run that got pages, or was reopened, since it was looked at does not end.",
    ),
    Mutant(
        "run-that-has-ended-ends-again",
        _ENDINGS,
        'condition = "#status = :before AND changes = :changes"',
        'condition = "(#status = :before OR attribute_not_exists(absent)) AND changes = :changes"',
        "Of two that end a run at once in two ways, the first one decides.",
    ),
    Mutant(
        "cancelled-run-succeeds",
        _ENDINGS,
        'condition += " AND attribute_not_exists(cancel_requested)"',
        "pass",
        "A run for which a cancel was asked ends as cancelled and in no other way.",
    ),
    Mutant(
        "sweep-counted-twice",
        _ENDINGS,
        'condition += " AND attribute_not_exists(swept)"',
        "pass",
        "What a sweep deleted is counted once, however often its job is delivered.",
    ),
    Mutant(
        "ending-run-takes-the-lease-of-another",
        _ENDINGS,
        'condition, values = "attribute_not_exists(PK) OR run_id = :run", {":run": run.run_id}',
        'condition, values = "run_id = :run OR attribute_not_exists(absent)", {":run": run.run_id}',
        "A run that ends after it lost its corpus leaves the lease to the run that has it.",
    ),
    Mutant(
        "renewed-run-is-closed",
        _ENDINGS,
        "condition, values = IS_UNCHANGED, expired.as_values",
        "pass",
        "A run that renews its lease while it is closed as abandoned stays alive.",
    ),
    Mutant(
        "late-page-moves-the-watermark",
        _ENDINGS,
        """\
            if status == "succeeded":
                writes += self._checkpoint_writes(run)
""",
        """\
        if status == "succeeded":
            writes += self._checkpoint_writes(run)
""",
        "A page redriven long after does not carry the watermark back behind a newer run.",
    ),
    Mutant(
        "overtaken-run-moves-the-watermark",
        _ENDINGS,
        "self._table.transact(writes[:essential])",
        "self._table.transact([*writes[:essential], *writes[essential + 1 :]])",
        "A run whose lease another run has does not move the watermark.",
    ),
    Mutant(
        "reopened-run-ends-too-early",
        _ENDINGS,
        'if run.status not in _UNSWEPT_STATUSES or "reopening" in item or "swept" in item:',
        'if run.status not in _UNSWEPT_STATUSES or "swept" in item:',
        "A run that is being reopened does not end before its gaps are open again.",
    ),
    Mutant(
        "swept-run-is-swept-again",
        _ENDINGS,
        'if run.status not in _UNSWEPT_STATUSES or "reopening" in item or "swept" in item:',
        'if run.status not in _UNSWEPT_STATUSES or "reopening" in item:',
        "A run that was swept is not swept again when a late page ends.",
    ),
    Mutant(
        "run-with-failed-pages-succeeds",
        _ENDINGS,
        "if progress.pages_gap or progress.pages_failed:",
        "if progress.pages_gap:",
        "A run with failed pages is not swept, as it is not known what those pages hold.",
    ),
    Mutant(
        "sweep-ends-a-run-that-awaits-none",
        _ENDINGS,
        """\
        if self.awaits_sweep(run_id):
            self.end_run(*self._reader.read(run_id), (status, reason), deleted=deleted)
""",
        """\
        self.end_run(*self._reader.read(run_id), (status, reason), deleted=deleted)
""",
        "A sweep that comes late does not change a run that has ended in another way.",
    ),
    Mutant(
        "lost-sweep-ends-a-run-that-awaits-none",
        _ENDINGS,
        """\
        if self.awaits_sweep(run_id):
            self.end_run(*self._reader.read(run_id), ("incomplete", reason))
""",
        """\
        self.end_run(*self._reader.read(run_id), ("incomplete", reason))
""",
        "A sweep that is given up after its run ended leaves that run as it is.",
    ),
    Mutant(
        "changed-run-is-left-open",
        _ENDINGS,
        """\
            if ending is None or self.end_run(item, progress, ending):
                return
""",
        """\
            if ending is not None:
                self.end_run(item, progress, ending)
            return
""",
        "A worker that ends a run which changed meanwhile reads the run again.",
    ),
    Mutant(
        "counters-read-before-the-record",
        _READER,
        """\
        record = self._item(run_id)
        return record, _progress(record, self._table.query(counters_partition(run_id), "ROW#"))
""",
        """\
        rows = list(self._table.query(counters_partition(run_id), "ROW#"))
        record = self._item(run_id)
        return record, _progress(record, rows)
""",
        "The counters by which a run ends are no older than the number of its changes.",
    ),
    Mutant(
        "only-live-runs-count-as-unfinished",
        _READER,
        'since_seq <= record["seq"] < before_seq and record["status"] != "succeeded"',
        'since_seq <= record["seq"] < before_seq and record["status"] in ("planning", "running")',
        "A sweep fences off commits of older runs that failed or were cancelled, too.",
    ),
    Mutant(
        "interrupted-reopening-counts-as-running",
        _READER,
        'if progress.run.status != "running" or "reopening" in item:',
        'if progress.run.status != "running":',
        "A reopening that was interrupted can be asked for again.",
    ),
    Mutant(
        "progress-is-not-seen",
        _READER,
        "return datetime.fromisoformat(max(planned_at, progress.moved_at or planned_at))",
        "return datetime.fromisoformat(planned_at)",
        "A run that moves is not closed, however long ago it was planned.",
    ),
    Mutant(
        "two-reopenings-at-once",
        _CONTROL,
        '"reopening = :reopening",',
        '"reopening = :reopening OR attribute_not_exists(absent)",',
        "Gaps are opened only while the reopening that was read is under way.",
    ),
    Mutant(
        "run-reopened-from-any-status",
        _CONTROL,
        '"#status = :incomplete",',
        '"#status = :incomplete OR attribute_not_exists(absent)",',
        "Only an incomplete run is reopened, and by one request.",
    ),
    Mutant(
        "run-reopened-without-its-lease",
        _CONTROL,
        '            "run_id = :run",\n',
        '            "run_id = :run OR attribute_not_exists(absent)",\n',
        "A run is reopened only while it holds its corpus.",
    ),
    Mutant(
        "done-page-is-reopened",
        _CONTROL,
        '(change, "outcome = :gap", {":gap": "gap"})',
        '(change, "outcome = :gap OR attribute_not_exists(absent)", {":gap": "gap"})',
        "A gap that became done while the run was reopened is not counted back.",
    ),
    Mutant(
        "reopened-page-does-not-change-the-run",
        _CONTROL,
        '            "ADD changes :one",\n',
        '            "ADD spare :one",\n',
        "A run does not end between the look at its counters and the reopening of a gap.",
    ),
    Mutant(
        "resumed-run-without-its-corpus",
        _CONTROL,
        "self._table.transact([write, self._writes.lease(corpus, run_id, lease_seconds)])",
        "self._table.transact([write])",
        "A run that goes on holds its corpus, or does not go on.",
    ),
    Mutant(
        "resumed-run-after-its-end",
        _CONTROL,
        '"#status = :running",',
        '"#status = :running OR attribute_not_exists(absent)",',
        "A run that ended while it was resumed takes no corpus.",
    ),
    Mutant(
        "closed-run-fails-done-pages",
        _CONTROL,
        '(change, "attribute_exists(PK) AND attribute_not_exists(outcome)", values),',
        '(change, "attribute_not_exists(absent)", values),',
        "A page that is done while its run is closed stays done, and is counted once.",
    ),
    Mutant(
        "pages-of-a-renewed-run-are-closed",
        _CONTROL,
        "[] if expired is None else [self._guard(run.corpus, expired)],",
        "[],",
        "The pages of a run that renews its lease meanwhile are not closed as abandoned.",
    ),
    Mutant(
        "run-closed-over-open-pages",
        _CONTROL,
        """\
            if progress.pages_ended < progress.run.pages_planned:
                continue
""",
        "",
        "A page that joins a run while it is closed is closed, too.",
    ),
    Mutant(
        "closed-pages-counted-later",
        _CONTROL,
        "self._table.transact([*writes, self._writes.count(run_id, row, moved), *guards])",
        "self._table.transact([*writes, *guards])\n"
        "                self._table.transact([self._writes.count(run_id, row, moved)])",
        "Pages that are closed together are counted in the same transaction.",
    ),
)
