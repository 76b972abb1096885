"""Safeguards of the sweep, which deletes what a full run did not see."""

from tests.simulation.safeguards.mutant import Mutant

_SWEEP = "services/compactor/sweep/sweep_run.py"

MUTANTS = (
    Mutant(
        "sweep-overlooks-its-twin",
        "services/compactor/sweep/sweep_run.py",
        "            return self._recorded(job) or {}\n",
        "            return {}\n",
        "A sweep that its twin overtakes counts what the twin deleted.",
    ),
    Mutant(
        "sweep-that-is-not-due",
        _SWEEP,
        "if not self.runs.endings.awaits_sweep(job.run_id):",
        "if False:",
        "A sweep is done only for a run whose pages are all done and that was not swept.",
    ),
    Mutant(
        "sweep-without-the-lease",
        _SWEEP,
        "            self.state.acquire_lease(job.corpus, job.run_id, self.lease_seconds)\n",
        "",
        "No other process restores, repairs or ingests the corpus while it is swept.",
    ),
    Mutant(
        "sweep-keeps-the-lease-of-an-ended-run",
        _SWEEP,
        "if self.runs.reader.get_run(job.run_id).is_ended:",
        "if False:",
        "The sweep of a run that has ended gives the corpus back.",
    ),
    Mutant(
        "sweep-of-a-run-from-before-a-restore",
        _SWEEP,
        """\
        if self.floor.read(job.corpus) > job.seq:
            return _SET_BACK
""",
        "",
        "A run from before a restore deletes nothing of what was restored.",
    ),
    Mutant(
        "sweep-of-a-run-from-before-a-newer-one",
        _SWEEP,
        "if latest is not None and latest.seq > job.seq:",
        "if False:",
        "A run that a newer one has followed does not delete what that one found.",
    ),
    Mutant(
        "sweep-after-rejects",
        _SWEEP,
        "if progress.rejects:",
        "if False:",
        "Entities whose records could not be read are not deleted.",
    ),
    Mutant(
        "sweep-of-unread-pages",
        _SWEEP,
        """\
        if progress.pages_unchanged:
            return f"{progress.pages_unchanged} pages were not read, as the source called them old"
""",
        "",
        "Entities of pages that were not read are not deleted.",
    ),
    Mutant(
        "sweep-of-a-source-that-showed-less",
        _SWEEP,
        "if planned is not None and len(seen) < planned:",
        "if False:",
        "Nothing is deleted when the source showed fewer records than it spoke of.",
    ),
    Mutant(
        "sweep-of-most-entities",
        _SWEEP,
        "if live >= _FEWEST_FOR_VALVE and len(vanished) > share * live:",
        "if False:",
        "A source that lost most of its records by mistake does not empty the index.",
    ),
    Mutant(
        "sweep-without-the-floor",
        _SWEEP,
        """\
            self._keep_older_runs_out(job)
            vanished, live = self._vanished(job, seen)
""",
        """\
            vanished, live = self._vanished(job, seen)
""",
        "Late work of older runs does not bring back what a sweep deleted.",
    ),
    Mutant(
        "floor-raised-after-the-look",
        _SWEEP,
        """\
            self._keep_older_runs_out(job)
            vanished, live = self._vanished(job, seen)
""",
        """\
            vanished, live = self._vanished(job, seen)
            self._keep_older_runs_out(job)
""",
        "The floor rises before the index is read, so that no commit comes in between unseen.",
    ),
    Mutant(
        "sweep-without-a-fence",
        _SWEEP,
        "ManifestStore(self.store, job.corpus, self.model).fence()",
        "pass",
        "A commit that passed the floor before it rose does not land after the sweep's look.",
    ),
    Mutant(
        "fence-before-the-floor",
        _SWEEP,
        """\
        self.floor.raise_to(job.corpus, job.seq)
        fenced = self.floor.fenced(job.corpus)
        # Of runs that succeeded all parts are recorded: an unchanged index keeps its version.
        if self.runs.reader.has_unfinished_runs(job.corpus, since_seq=fenced, before_seq=job.seq):
            ManifestStore(self.store, job.corpus, self.model).fence()
""",
        """\
        fenced = self.floor.fenced(job.corpus)
        # Of runs that succeeded all parts are recorded: an unchanged index keeps its version.
        if self.runs.reader.has_unfinished_runs(job.corpus, since_seq=fenced, before_seq=job.seq):
            ManifestStore(self.store, job.corpus, self.model).fence()
        self.floor.raise_to(job.corpus, job.seq)
""",
        "A commit that is decided after the fence reads the floor as it was raised.",
    ),
    Mutant(
        "fence-noted-before-it-is-made",
        _SWEEP,
        """\
        # Of runs that succeeded all parts are recorded: an unchanged index keeps its version.
        if self.runs.reader.has_unfinished_runs(job.corpus, since_seq=fenced, before_seq=job.seq):
            ManifestStore(self.store, job.corpus, self.model).fence()
        self.floor.note_fenced(job.corpus, job.seq)
""",
        """\
        self.floor.note_fenced(job.corpus, job.seq)
        # Of runs that succeeded all parts are recorded: an unchanged index keeps its version.
        if self.runs.reader.has_unfinished_runs(job.corpus, since_seq=fenced, before_seq=job.seq):
            ManifestStore(self.store, job.corpus, self.model).fence()
""",
        "A sweep that died before its fence makes it when it is done again.",
    ),
    Mutant(
        "sweep-deletes-what-is-newer",
        _SWEEP,
        "is_older = with_content & (found.catalog.entity_seqs < job.seq)",
        "is_older = with_content",
        "A sweep deletes nothing that its own run, or a newer one, has indexed.",
    ),
    Mutant(
        "sweep-decides-anew-at-each-delivery",
        _SWEEP,
        "record = self._recorded(job)\n        if record is None:\n            if (reason :=",
        "record = None\n        if record is None:\n            if (reason :=",
        "A sweep that is done again deletes what it had decided to delete.",
    ),
    Mutant(
        "decision-of-a-sweep-overwritten",
        _SWEEP,
        "self.store.put(key, encode_vectors(stored), metadata=metadata, if_absent=True)",
        "self.store.put(key, encode_vectors(stored), metadata=metadata)",
        "Two deliveries of one sweep at once delete the same entities.",
    ),
    Mutant(
        "missing-decision-deletes-nothing",
        _SWEEP,
        """\
            if decided is None:
                raise  # what is not there is no decision, least of all one to delete nothing
            return decided
""",
        """\
            return decided or {}
""",
        "A sweep that could not write its decision does not end its run as swept.",
    ),
    Mutant(
        "deletion-is-not-begun",
        _SWEEP,
        "newer = self.versions.begin(job.corpus, self.model, vanished)",
        "newer = set[str]()",
        "An entity that was deleted and comes back as it was is indexed again.",
    ),
    Mutant(
        "sweep-deletes-what-came-back",
        _SWEEP,
        "deleted = {key: v.checksum for key, v in sorted(vanished.items()) if key not in newer}",
        "deleted = {key: v.checksum for key, v in sorted(vanished.items())}",
        "An entity that a newer job has seen meanwhile is not deleted.",
    ),
    Mutant(
        "cancelled-sweep-has-the-last-word",
        _SWEEP,
        "        if self.runs.endings.awaits_sweep(job.run_id):\n            self.state.note_swept",
        "        if True:\n            self.state.note_swept",
        "A rebuild does not delete what a run saw after an earlier one was cancelled.",
    ),
    Mutant(
        "sweep-commits-below-the-floor",
        _SWEEP,
        '[shard], "sweep", floor=lambda: self.floor.read(job.corpus)',
        '[shard], "sweep", floor=lambda: 0',
        "A sweep that comes after a restore deletes nothing.",
    ),
    Mutant(
        "refused-sweep-counts-as-done",
        _SWEEP,
        """\
        return any(found.origin == origin for found in committed.shards) or (
            self.floor.read(job.corpus) <= job.seq
        )
""",
        """\
        return any(found.origin == origin for found in committed.shards) or True
""",
        "A run whose deletions were refused says so.",
    ),
)
