"""Safeguards of those who set an index back: restore, mark-bad, and removal."""

from tests.simulation.safeguards.mutant import Mutant

_RESTORE = "services/compactor/restore.py"
_MARK_BAD = "services/compactor/mark_bad.py"
_REMOVE = "services/cli/corpus/administration.py"

_RESTORING = (
    Mutant(
        "restore-without-the-lease",
        _RESTORE,
        "        self.state.acquire_lease(corpus, holder, self.lease_seconds)\n",
        "",
        "No run reads and indexes while an older version is brought back.",
    ),
    Mutant(
        "restore-without-the-floor",
        _RESTORE,
        "        keep_all_runs_out(self.floor, self.state, corpus)\n",
        "",
        "Late work from before a restore does not enter what was restored.",
    ),
    Mutant(
        "restore-forgets-after-the-commit",
        _RESTORE,
        """\
                self.versions.forget(corpus, self.model, changed)
                self.state.forget_progress(corpus)
                manifest = manifests.restore(version, over=over)
                if manifest is not None:
                    break
""",
        """\
                manifest = manifests.restore(version, over=over)
                if manifest is not None:
                    self.versions.forget(corpus, self.model, changed)
                    self.state.forget_progress(corpus)
                    break
""",
        "A restore that is cut off leaves nothing that passes for indexed and is not.",
    ),
    Mutant(
        "restore-forgets-no-version",
        _RESTORE,
        "                self.versions.forget(corpus, self.model, changed)\n",
        "",
        "The run after a restore indexes again what the restore took away.",
    ),
    Mutant(
        "restore-keeps-the-watermark",
        _RESTORE,
        "                self.state.forget_progress(corpus)\n",
        "",
        "The run after a restore reads all of the source again.",
    ),
    Mutant(
        "restored-versions-are-not-remembered",
        _RESTORE,
        "        self.versions.begin(corpus, self.model, known)\n",
        "",
        "What a restore brought back, and is still so, is not embedded again.",
    ),
    Mutant(
        "restored-versions-remembered-too-early",
        _RESTORE,
        """\
                self.state.forget_progress(corpus)
                manifest = manifests.restore(version, over=over)
""",
        """\
                self.state.forget_progress(corpus)
                early = {key: restored[key] for key in changed if key in restored}
                self.versions.begin(corpus, self.model, early)
                manifest = manifests.restore(version, over=over)
""",
        "A restore that is cut off before its commit does not pass for made.",
    ),
)

_MARKING = (
    Mutant(
        "mark-bad-without-the-lease",
        _MARK_BAD,
        "        self.state.acquire_lease(corpus, holder, self.lease_seconds)\n",
        "",
        "No run finds unchanged what is taken out with a bad shard.",
    ),
    Mutant(
        "mark-bad-without-the-floor",
        _MARK_BAD,
        "        keep_all_runs_out(self.floor, self.state, corpus)\n",
        "",
        "Late work does not bring older versions back in the place of a bad shard.",
    ),
    Mutant(
        "mark-bad-forgets-after-the-commit",
        _MARK_BAD,
        """\
        self._forget(corpus, entities, is_rebuilt=is_rebuilt)
        added = [] if entities is None else [self._without_rows(corpus, shard, entities)]
        committed = manifests.replace([shard_id], added, change)
""",
        """\
        added = [] if entities is None else [self._without_rows(corpus, shard, entities)]
        committed = manifests.replace([shard_id], added, change)
        self._forget(corpus, entities, is_rebuilt=is_rebuilt)
""",
        "What a bad shard held is indexed again, also where the command was cut off.",
    ),
    Mutant(
        "bad-shard-uncovers-older-versions",
        _MARK_BAD,
        "added = [] if entities is None else [self._without_rows(corpus, shard, entities)]",
        "added = []",
        "Older versions of the entities of a bad shard do not show again.",
    ),
    Mutant(
        "mark-bad-keeps-the-watermark",
        _MARK_BAD,
        """\
        if not is_rebuilt:
            self.state.forget_progress(corpus)
""",
        "",
        "The run after a shard was marked bad reads all of the source.",
    ),
)

_REMOVING = (
    Mutant(
        "removal-without-the-lease",
        _REMOVE,
        """\
        self.state.acquire_lease(name, holder, _LEASE_SECONDS)
        try:
""",
        """\
        try:
""",
        "A corpus is not removed under a run.",
    ),
    Mutant(
        "removal-without-the-floor",
        _REMOVE,
        "        keep_all_runs_out(self.floor, self.state, name)\n",
        "",
        "Late work of runs before a removal does not enter the index that comes after it.",
    ),
    Mutant(
        "removal-remembers-what-was-indexed",
        _REMOVE,
        """\
        if latest is not None:
            self.versions.forget_until(name, latest.seq)
""",
        "",
        "What was indexed before a removal is embedded again after it.",
    ),
    Mutant(
        "removal-keeps-the-watermark",
        _REMOVE,
        """\
            self.versions.forget_until(name, latest.seq)
        self.state.forget_progress(name)
""",
        """\
            self.versions.forget_until(name, latest.seq)
""",
        "The first run after a removal reads all of the source.",
    ),
    Mutant(
        "shards-deleted-before-their-manifest",
        _REMOVE,
        """\
        yield from manifest_keys(self.store, name)
        for pattern in _INDEX_PREFIXES:
            yield from (found.key for found in self.store.list(pattern.format(name)))
""",
        """\
        for pattern in _INDEX_PREFIXES:
            found = [found.key for found in self.store.list(pattern.format(name))]
            yield from reversed(found)
""",
        "A manifest never names a file that a removal has deleted.",
    ),
    Mutant(
        "index-is-listed-before-its-manifest-is-gone",
        _REMOVE,
        "        yield from manifest_keys(self.store, name)\n",
        "",
        "What a commit names that lands while an index is deleted is deleted, too.",
    ),
    Mutant(
        "leftover-of-a-deleted-index-stops-its-corpus",
        "shared/index/manifest/manifest_object.py",
        "if newest and not tolerant and not self._is_deleted(newest):",
        "if newest and not tolerant:",
        "A version that a late worker leaves beside a deleted index stops no later run.",
    ),
    Mutant(
        "document-deleted-before-the-index",
        _REMOVE,
        """\
            deleted = self._delete_index(name, holder) if delete_index else 0
            self.documents.delete(name)
""",
        """\
            self.documents.delete(name)
            deleted = self._delete_index(name, holder) if delete_index else 0
""",
        "A removal that is cut off can be done again.",
    ),
)

MUTANTS = (*_RESTORING, *_MARKING, *_REMOVING)
