"""Safeguards of manifests: compare-and-swap, the history, and what a change may start from."""

from tests.simulation.safeguards.mutant import Mutant

_OBJECT = "shared/index/manifest/manifest_object.py"
_HISTORY = "shared/index/manifest/manifest_history.py"
_CHANGES = "shared/index/manifest/manifest_changes.py"
_STORE = "shared/index/manifest/manifest_store.py"

MUTANTS = (
    Mutant(
        "manifest-overwritten",
        _OBJECT,
        "self._store.put(self.key, data, content_type=_CONTENT_TYPE, if_match=over.stored.etag)",
        "self._store.put(self.key, data, content_type=_CONTENT_TYPE)",
        "Of two committers that start from one version, one looks again.",
    ),
    Mutant(
        "first-manifest-overwritten",
        _OBJECT,
        "self._store.put(self.key, data, content_type=_CONTENT_TYPE, if_absent=True)",
        "self._store.put(self.key, data, content_type=_CONTENT_TYPE)",
        "Of two committers that make the first version, one looks again.",
    ),
    Mutant(
        "history-kept-after-the-swap",
        _OBJECT,
        """\
            if over.is_usable:
                self.history.keep(over.manifest.version, over.stored.data)
            self._store.put(self.key, data, content_type=_CONTENT_TYPE, if_match=over.stored.etag)
""",
        """\
            self._store.put(self.key, data, content_type=_CONTENT_TYPE, if_match=over.stored.etag)
            if over.is_usable:
                self.history.keep(over.manifest.version, over.stored.data)
""",
        "A version is in the history before another one takes its place, whoever dies in between.",
    ),
    Mutant(
        "history-not-kept",
        _OBJECT,
        """\
            if over.is_usable:
                self.history.keep(over.manifest.version, over.stored.data)
""",
        "",
        "Every version that readers ever saw can be restored, and its files are kept.",
    ),
    Mutant(
        "own-commit-is-not-recognised",
        _OBJECT,
        """\
            if tried is not None and self._has_landed(tried, seen.manifest):
                return tried
            following = step(seen)
""",
        """\
            following = step(seen)
""",
        "A commit that was made, and whose answer was lost, is not made a second time.",
    ),
    Mutant(
        "any-later-version-counts-as-ours",
        _OBJECT,
        "return self.read_kept(tried.version) == tried",
        "return self.read_kept(tried.version) is not None",
        "A commit that another one replaced is made again and does not pass for made.",
    ),
    Mutant(
        "lost-manifest-is-begun-anew",
        _OBJECT,
        "if newest and not tolerant and not self._is_deleted(newest):",
        "if False:",
        "A commit makes no first version where a manifest is missing that has a history.",
    ),
    Mutant(
        "history-overwritten",
        _HISTORY,
        'self._store.put(key, data, content_type="application/json", if_absent=True)',
        'self._store.put(key, data, content_type="application/json")',
        "A version in the history is never replaced by another one of the same number.",
    ),
    Mutant(
        "damaged-history-overwritten",
        _HISTORY,
        'self._store.put(key, data, content_type="application/json", if_match=present.etag)',
        'self._store.put(key, data, content_type="application/json")',
        "A damaged version of the history is replaced only while it is the one that was read.",
    ),
    Mutant(
        "origin-committed-twice",
        _CHANGES,
        "if shard.origin not in known and shard.entities > 0:",
        "if shard.entities > 0:",
        "An index job that is delivered twice commits its shard once.",
    ),
    Mutant(
        "merge-of-shards-that-left",
        _CHANGES,
        """\
    if missing and (not outputs <= there or (set(removed) - outputs) & there or not outputs):
        return None
""",
        "",
        "A merge whose inputs left the index meanwhile commits nothing.",
    ),
    Mutant(
        "floor-ignored-at-the-commit",
        _STORE,
        "current = [shard for shard in shards if shard.seq >= least]",
        "current = list(shards)",
        "Work of runs below the floor does not enter an index, however late it comes.",
    ),
    Mutant(
        "floor-read-once-a-commit",
        _STORE,
        """\
        def step(seen: SeenManifest) -> Manifest:
            least = floor()
            current = [shard for shard in shards if shard.seq >= least]
""",
        """\
        least = floor()

        def step(seen: SeenManifest) -> Manifest:
            current = [shard for shard in shards if shard.seq >= least]
""",
        "The floor is read after the manifest that an attempt replaces, at every attempt.",
    ),
    Mutant(
        "merge-from-before-a-restore",
        _STORE,
        """\
            if made_from is not None and self._was_brought_back(made_from, seen.manifest):
                return None
""",
        "",
        "A merge that dropped rows before a restore brought them back to life commits nothing.",
    ),
    Mutant(
        "present-restore-is-overlooked",
        _STORE,
        """\
        if brings_back(present.change) and present.version > since:
            return True
""",
        "",
        "A merge is compared with a restore that made the very version it would replace.",
    ),
    Mutant(
        "restores-in-the-history-are-overlooked",
        _STORE,
        "for version in range(since + 1, present.version):",
        "for version in range(0):",
        "A merge is compared with restores that other versions have followed.",
    ),
    Mutant(
        "collected-version-brought-nothing-back",
        _STORE,
        """\
            except (NotFoundError, CorruptObjectError):
                return True
        return False
""",
        """\
            except (NotFoundError, CorruptObjectError):
                continue
        return False
""",
        "A merge so old that it is not known what came after it commits nothing.",
    ),
    Mutant(
        "restore-over-another-version",
        _STORE,
        """\
            if not _is_over(seen, over):
                return None
            if seen.is_usable and seen.manifest.shards == target.shards:
""",
        """\
            if seen.is_usable and seen.manifest.shards == target.shards:
""",
        "A restore replaces the version of which it forgot what differs, and no later one.",
    ),
    Mutant(
        "rebuild-over-another-version",
        _STORE,
        """\
            if not _is_over(seen, over):
                return None
            if seen.is_usable:
""",
        """\
            if seen.is_usable:
""",
        "A rebuild replaces the version that it compared itself with, and no later one.",
    ),
    Mutant(
        "restore-of-files-that-are-gone",
        _STORE,
        "        self._require_files(target)\n",
        "",
        "A version whose files were collected is not restored.",
    ),
    Mutant(
        "version-is-missed-while-it-moves",
        _STORE,
        "for find in (self._object.read_kept, self._present_version, self._object.read_kept):",
        "for find in (self._object.read_kept, self._present_version):",
        "A version that moves to the history between two looks is found.",
    ),
)
