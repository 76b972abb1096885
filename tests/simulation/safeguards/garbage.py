"""Safeguards of merges and of the collection of garbage."""

from tests.simulation.safeguards.mutant import Mutant

_GARBAGE = "shared/index/maintenance/garbage.py"
_MERGING = "shared/index/maintenance/merging.py"
_COMPACT = "services/compactor/compact.py"

MUTANTS = (
    Mutant(
        "condemned-files-read-late",
        _GARBAGE,
        """\
        earlier, etag = self._earlier_list()
        present = self._present()
        if present is None:
            return GarbageReport()
        versions = self._versions()
""",
        """\
        present = self._present()
        if present is None:
            return GarbageReport()
        versions = self._versions()
        earlier, etag = self._earlier_list()
""",
        "A collection that another one overtook deletes nothing, as its list is the older one.",
    ),
    Mutant(
        "list-of-condemned-files-overwritten",
        _GARBAGE,
        "self._store.put(self._list_key, encoded, content_type=kind, if_match=etag)",
        "self._store.put(self._list_key, encoded, content_type=kind)",
        "Of two collections at once, one deletes.",
    ),
    Mutant(
        "first-list-of-condemned-files-overwritten",
        _GARBAGE,
        "self._store.put(self._list_key, encoded, content_type=kind, if_absent=True)",
        "self._store.put(self._list_key, encoded, content_type=kind)",
        "Of two first collections at once, one deletes.",
    ),
    Mutant(
        "garbage-without-grace",
        _GARBAGE,
        "return self._age(file.since) > grace",
        "return True",
        "A file that nothing names yet, as its job is about to commit it, is kept.",
    ),
    Mutant(
        "short-grace-for-new-files",
        _GARBAGE,
        "grace = policy.removed_grace if file.was_committed else policy.orphan_grace",
        "grace = policy.removed_grace",
        "The files of a job that lies in a dead-letter queue are kept until it can be redriven.",
    ),
    Mutant(
        "garbage-without-a-second-look",
        _GARBAGE,
        """\
        present = self._present()
        if present is None:
            return set()
        versions = self._versions()
        self._require_readable(versions, set())
        due -= _files(present).union(*(version.files for version in versions.values()))
""",
        "",
        "A file that a commit or a restore named since the first look is kept.",
    ),
    Mutant(
        "second-look-without-the-history",
        _GARBAGE,
        "due -= _files(present).union(*(version.files for version in versions.values()))",
        "due -= _files(present)",
        "A file that is named by a version which was replaced during the collection is kept.",
    ),
    Mutant(
        "first-look-without-the-history",
        _GARBAGE,
        "named = _files(present).union(*(version.files for version in kept))",
        "named = _files(present)",
        "A file that only an older version names is not condemned.",
    ),
    Mutant(
        "collector-overlooks-what-history-names",
        _GARBAGE,
        "self._read[listed] = _Version(manifest.committed_at, _files(manifest))",
        "self._read[listed] = _Version(manifest.committed_at, frozenset())",
        "The files of every version that can be restored are kept.",
    ),
    Mutant(
        "rewritten-file-stays-condemned",
        _GARBAGE,
        "if earlier is None or item.modified_at > earlier.since:",
        "if earlier is None:",
        "A file that a job wrote again is kept as if it were new.",
    ),
    Mutant(
        "versions-deleted-before-the-list",
        _GARBAGE,
        """\
        self._write_list(condemned, etag)
        for listed in sorted(expired, key=lambda listed: listed.version):
            self._store.delete(listed.key)
""",
        """\
        for listed in sorted(expired, key=lambda listed: listed.version):
            self._store.delete(listed.key)
        self._write_list(condemned, etag)
""",
        "It is noted that files were committed before the versions that named them are deleted.",
    ),
    Mutant(
        "newest-replaced-version-collected",
        _GARBAGE,
        "if position > 0 and is_old:",
        "if is_old:",
        "The number of a damaged manifest can be told from the version before it.",
    ),
    Mutant(
        "history-without-grace",
        _GARBAGE,
        "is_old = replaced_at is not None and self._age(replaced_at) > self._policy.history_kept",
        "is_old = True",
        "A version that was replaced can be restored and read for a week.",
    ),
    Mutant(
        "committed-file-without-grace",
        _GARBAGE,
        "return CondemnedFile(since=self._now, was_committed=True)",
        "return CondemnedFile(since=self._now - timedelta(days=30), was_committed=True)",
        "A file of a version that was just collected is kept for those who still read it.",
    ),
    Mutant(
        "notes-without-grace",
        _GARBAGE,
        "if item.key != self._list_key and self._age(item.modified_at) > self._policy.notes_kept",
        "if item.key != self._list_key",
        "The notes of a rebuild that is under way are kept.",
    ),
    Mutant(
        "tombstones-dropped",
        _MERGING,
        "is_live & (_has_rows(catalog) | is_covered | (catalog.entity_seqs >= oldest))",
        "is_live & _has_rows(catalog)",
        "A deletion is kept in a merge, as an older version of the entity may be elsewhere.",
    ),
    Mutant(
        "young-tombstone-dropped",
        _MERGING,
        "is_live & (_has_rows(catalog) | is_covered | (catalog.entity_seqs >= oldest))",
        "is_live & (_has_rows(catalog) | is_covered)",
        "A deletion is kept for weeks, as a late message may bring an older version.",
    ),
    Mutant(
        "covering-tombstone-dropped",
        _MERGING,
        "is_live & (_has_rows(catalog) | is_covered | (catalog.entity_seqs >= oldest))",
        "is_live & (_has_rows(catalog) | (catalog.entity_seqs >= oldest))",
        "A deletion is kept as long as another shard has an older version of the entity.",
    ),
    Mutant(
        "old-merge-counts-as-new",
        _COMPACT,
        "made_from=note.made_from,",
        "made_from=manifest.version,",
        "A merge is judged by the version that said which rows were dead, not by the present one.",
    ),
    Mutant(
        "merge-note-without-its-files",
        _COMPACT,
        "return note if all(self.store.exists(file.key) for file in files) else None",
        "return note",
        "A merge whose files were collected is made again.",
    ),
    Mutant(
        "merge-note-trusted-for-ever",
        _COMPACT,
        "if note is None or self.clock.now() - note.written_at > self.notes_trusted_for:",
        "if note is None:",
        "A merge so old that its files may be collected at any moment is made again.",
    ),
    Mutant(
        "outdated-merge-note-stays",
        _COMPACT,
        "self.store.delete(_note_key(job))",
        "pass",
        "A merge that was decided before a restore is decided again and not refused for ever.",
    ),
)
