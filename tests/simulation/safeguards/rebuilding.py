"""Safeguards of the rebuild of an index from what is stored of each part."""

from tests.simulation.safeguards.mutant import Mutant

_REBUILD = "services/compactor/rebuild/rebuild_index.py"

MUTANTS = (
    Mutant(
        "rebuild-over-a-restore",
        _REBUILD,
        "        self._require_no_restore(job.corpus, plan)\n",
        "",
        "A rebuild that was begun before a restore does not undo it.",
    ),
    Mutant(
        "rebuild-with-an-old-floor",
        _REBUILD,
        "if self.floor.read(job.corpus) != plan.floor:",
        "if False:",
        "A rebuild begins again when the floor rose, as it may hold what is refused since.",
    ),
    Mutant(
        "rebuild-reads-the-floor-too-early",
        _REBUILD,
        """\
        over = self._present(job.corpus)
        self._require_no_restore(job.corpus, plan)
        if not self.store.exists(self._note_key(job.corpus, job.rebuild_id, "plan")):
            raise NotFoundError(f"the index of {job.corpus} was deleted while it was rebuilt")
        if self.floor.read(job.corpus) != plan.floor:
            logger.info("the floor rose: rebuilding again", extra={"rebuild_id": job.rebuild_id})
            self.begin(job.corpus)
            return
""",
        """\
        self._require_no_restore(job.corpus, plan)
        if not self.store.exists(self._note_key(job.corpus, job.rebuild_id, "plan")):
            raise NotFoundError(f"the index of {job.corpus} was deleted while it was rebuilt")
        if self.floor.read(job.corpus) != plan.floor:
            logger.info("the floor rose: rebuilding again", extra={"rebuild_id": job.rebuild_id})
            self.begin(job.corpus)
            return
        over = self._present(job.corpus)
""",
        "The floor is read after the version that a rebuild replaces.",
    ),
    Mutant(
        "rebuild-of-a-deleted-index",
        _REBUILD,
        'if not self.store.exists(self._note_key(job.corpus, job.rebuild_id, "plan")):',
        "if False:",
        "An index that was deleted while it was rebuilt does not come back.",
    ),
    Mutant(
        "rebuild-without-the-lease",
        _REBUILD,
        "with self._held(job.corpus) if found.changed else nullcontext():",
        "with nullcontext():",
        "No run finds unchanged what a rebuild is about to change, and no sweep overlooks it.",
    ),
    Mutant(
        "rebuild-forgets-no-version",
        _REBUILD,
        "self.versions.forget(corpus, self.model, found.changed)",
        "pass",
        "The run after a rebuild indexes again what the rebuild set back.",
    ),
    Mutant(
        "rebuild-keeps-the-watermark",
        _REBUILD,
        """\
        if found.is_relied_upon:
            self.state.forget_progress(corpus)
""",
        "",
        "The run after a rebuild that set something back reads all of the source.",
    ),
    Mutant(
        "rebuild-forgets-after-the-commit",
        _REBUILD,
        """\
        self.versions.forget(corpus, self.model, found.changed)
        if found.is_relied_upon:
            self.state.forget_progress(corpus)
        origin = f"rebuild/{job.rebuild_id}/deleted"
        deletions = found.write_deletions(self.store, corpus, self.model, origin)
        change = f"rebuild:{job.rebuild_id}"
        added = [*shards, *deletions]
        return self._manifests(corpus).rebuilt(plan.replaced, added, change, over=over)
""",
        """\
        origin = f"rebuild/{job.rebuild_id}/deleted"
        deletions = found.write_deletions(self.store, corpus, self.model, origin)
        change = f"rebuild:{job.rebuild_id}"
        added = [*shards, *deletions]
        done = self._manifests(corpus).rebuilt(plan.replaced, added, change, over=over)
        self.versions.forget(corpus, self.model, found.changed)
        if found.is_relied_upon:
            self.state.forget_progress(corpus)
        return done
""",
        "A rebuild that is cut off leaves nothing that passes for indexed and is not.",
    ),
    Mutant(
        "rebuild-overlooks-a-sweep",
        _REBUILD,
        "if self.state.last_swept(corpus) != found.swept:",
        "if False:",
        "A sweep that ends while a rebuild compares is taken into account.",
    ),
    Mutant(
        "rebuild-brings-back-what-was-not-there-to-be-deleted",
        "services/compactor/rebuild/rebuilt_state.py",
        "        if not brought_back:\n",
        "        if True:\n",
        "A rebuild does not show what the last full run did not see.",
    ),
    Mutant(
        "rebuild-admits-refused-parts",
        _REBUILD,
        "return lambda origin, seq: seq >= floor or origin in indexed or is_sweep_origin(origin)",
        "return lambda origin, seq: True",
        "A part that the floor refused does not enter the index by a rebuild.",
    ),
    Mutant(
        "rebuild-leaves-indexed-parts-out",
        _REBUILD,
        "return lambda origin, seq: seq >= floor or origin in indexed or is_sweep_origin(origin)",
        "return lambda origin, seq: seq >= floor or is_sweep_origin(origin)",
        "A part that was indexed before the floor rose is rebuilt.",
    ),
    Mutant(
        "rebuild-leaves-deletions-out",
        _REBUILD,
        "return lambda origin, seq: seq >= floor or origin in indexed or is_sweep_origin(origin)",
        "return lambda origin, seq: seq >= floor or origin in indexed",
        "What a sweep deleted does not come back by a rebuild.",
    ),
    Mutant(
        "parts-listed-before-the-manifest",
        _REBUILD,
        """\
        present = next(manifests.versions(), None)
        parts = [
            found
            for found in self.store.list(embeddings_prefix(corpus))
            if parse_vectors_key(found.key) is not None
        ]
""",
        """\
        parts = [
            found
            for found in self.store.list(embeddings_prefix(corpus))
            if parse_vectors_key(found.key) is not None
        ]
        present = next(manifests.versions(), None)
""",
        "Whatever the replaced shards hold is among the parts that are rebuilt.",
    ),
    Mutant(
        "finished-rebuild-is-done-again",
        _REBUILD,
        'if self.store.exists(self._note_key(job.corpus, job.rebuild_id, "finished")):',
        "if False:",
        "The last step of a rebuild that comes again does not bring its shards back.",
    ),
    Mutant(
        "rebuilt-shard-without-its-files",
        _REBUILD,
        "return note if all(self.store.exists(file.key) for file in files) else None",
        "return note",
        "A step whose files were collected is built again.",
    ),
)
