"""Safeguards of a corpus: its lease, what was indexed of its entities, floors and claims."""

from tests.simulation.safeguards.mutant import Mutant

_STATE = "shared/corpora/corpus_state.py"
_VERSIONS = "shared/corpora/entity_versions.py"
_UNCHANGED = "services/embedder/unchanged.py"
_FLOOR = "shared/corpora/index_floor.py"
_CLAIMS = "shared/corpora/compaction_claims.py"

MUTANTS = (
    Mutant(
        "lease-taken-from-its-holder",
        _STATE,
        '"attribute_not_exists(PK) OR (run_id = :run AND lifetime_seconds <= :lifetime)",',
        '"attribute_not_exists(absent) OR (run_id = :run AND lifetime_seconds <= :lifetime)",',
        "One run, or one person at work on a corpus, at a time.",
    ),
    Mutant(
        "lease-shortened-by-its-own-run",
        _STATE,
        '"attribute_not_exists(PK) OR (run_id = :run AND lifetime_seconds <= :lifetime)",',
        '"attribute_not_exists(PK) OR run_id = :run OR lifetime_seconds < :lifetime AND '
        'attribute_exists(absent)",',
        "A sweep or a resumption does not shorten the time that its run holds the corpus.",
    ),
    Mutant(
        "lease-released-by-anybody",
        _STATE,
        'corpus_partition(corpus), "LEASE", "run_id = :run", {":run": run_id}',
        'corpus_partition(corpus), "LEASE", '
        '"run_id = :run OR attribute_not_exists(absent)", {":run": run_id}',
        "Whoever lost the corpus does not give back the lease of the run that has it.",
    ),
    Mutant(
        "renewed-lease-is-released",
        _STATE,
        'corpus_partition(corpus), "LEASE", IS_UNCHANGED, held.as_values',
        'corpus_partition(corpus), "LEASE"',
        "A lease that is renewed while it is looked at as expired stays.",
    ),
    Mutant(
        "changed-lease-is-extended",
        _STATE,
        """\
            {":new": expires_at, **held.as_values},
            IS_UNCHANGED,
""",
        """\
            {":new": expires_at, **held.as_values},
            f"{IS_UNCHANGED} OR attribute_not_exists(absent)",
""",
        "A lease that was given back meanwhile does not come back half-written.",
    ),
    Mutant(
        "lease-counts-as-expired",
        _STATE,
        "if held is None or held.run_id == run_id or not self._is_past(held.expires_at):",
        "if held is None or held.run_id == run_id:",
        "A lease holds until it has expired.",
    ),
    Mutant(
        "abandoned-run-is-never-closed",
        _STATE,
        "if held is None or held.run_id == run_id or not self._is_past(held.expires_at):",
        "if True:",
        "A run that died does not keep its corpus for ever.",
    ),
    Mutant(
        "moving-run-is-closed-as-abandoned",
        _STATE,
        "if not self._is_past(expires_at):",
        "if False:",
        "A run that has moved within the lifetime of its lease goes on.",
    ),
    Mutant(
        "lease-of-an-ended-run-stays",
        _STATE,
        """\
            return held.run_id
        self._release(corpus, held)
        return None
""",
        """\
            return held.run_id
        return None
""",
        "The lease of a run that ended without giving it back is taken away.",
    ),
    Mutant(
        "lease-of-a-dead-command-stays",
        _STATE,
        """\
        if not runs.reader.exists(held.run_id):
            self._release(corpus, held)
            return None
""",
        """\
        if not runs.reader.exists(held.run_id):
            return None
""",
        "The lease of a command, or of a planner, that died before it began a run is taken away.",
    ),
    Mutant(
        "etags-outlive-a-restore",
        _STATE,
        'item = self._progress(corpus, f"ETAG#{query_hash}")',
        'item = self._table.get(corpus_partition(corpus), f"ETAG#{query_hash}")',
        "After a restore the next run reads pages again that the source calls unchanged.",
    ),
    Mutant(
        "watermark-outlives-a-restore",
        _STATE,
        'item = self._progress(corpus, f"CHECKPOINT#{endpoint}") or {}',
        'item = self._table.get(corpus_partition(corpus), f"CHECKPOINT#{endpoint}") or {}',
        "After a restore the next run reads all of the source, not what changed last.",
    ),
    Mutant(
        "progress-of-an-older-run-counts",
        _STATE,
        """\
        item = {"PK": corpus_partition(corpus), "SK": _READ_AGAIN_KEY, "seq": latest.seq}
        with contextlib.suppress(ConditionFailedError):  # what came later is forgotten already
            self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": latest.seq})
""",
        """\
        partition = corpus_partition(corpus)
        for prefix in ("CHECKPOINT#", "ETAG#"):
            for item in self._table.query(partition, prefix):
                self._table.transact([self._table.delete_write(partition, item["SK"])])
""",
        "What a worker of an older run keeps after a restore does not count as read.",
    ),
    Mutant(
        "late-job-replaces-a-newer-version",
        _VERSIONS,
        "                _NOT_SEEN_BY_A_NEWER_JOB,\n",
        '                f"{_NOT_SEEN_BY_A_NEWER_JOB} OR attribute_not_exists(absent)",\n',
        "A job that comes late does not replace what a newer job began to index.",
    ),
    Mutant(
        "late-job-confirms",
        _VERSIONS,
        "                + _NOT_SEEN_BY_A_NEWER_JOB,\n",
        '                + f"({_NOT_SEEN_BY_A_NEWER_JOB} OR attribute_not_exists(absent))",\n',
        "A job that comes late does not take back what a newer job has seen.",
    ),
    Mutant(
        "other-version-is-confirmed",
        _VERSIONS,
        '"seq = :version_seq AND origin = :version_origin AND checksum = :checksum AND "',
        '"(attribute_not_exists(absent) OR seq = :version_seq AND origin = :version_origin AND '
        'checksum = :checksum) AND "',
        "A version that changed since it was read does not pass for the one that was found right.",
    ),
    Mutant(
        "forgotten-version-is-trusted",
        _VERSIONS,
        'if item["SK"] == _SORT_KEY and item["seq"] > forgotten',
        'if item["SK"] == _SORT_KEY',
        "What was indexed before an index was deleted does not pass for indexed.",
    ),
    Mutant(
        "forgetting-goes-backwards",
        _VERSIONS,
        'self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": seq})',
        "self._table.put(item)",
        "An older removal that ends late does not bring forgotten versions back.",
    ),
    Mutant(
        "begun-version-counts-as-indexed",
        _UNCHANGED,
        "return {key: version for key, version in equal.items() if version.origin in committed}",
        "return equal",
        "A version that was begun, and never committed, does not pass for indexed.",
    ),
    Mutant(
        "own-version-counts-as-indexed",
        _UNCHANGED,
        "            and present[key].origin != version.origin\n",
        "",
        "A job that is done again begins again what it had begun.",
    ),
    Mutant(
        "unchanged-entity-is-not-confirmed",
        _UNCHANGED,
        "refused = self._confirm(corpus, model, indexed, found)",
        "refused = set[str]()",
        "A late job does not replace what a newer job found unchanged.",
    ),
    Mutant(
        "refused-version-is-indexed",
        _UNCHANGED,
        "begun |= changed.keys() - newer",
        "begun |= changed.keys()",
        "A version of an entity that a newer job has seen is not indexed.",
    ),
    Mutant(
        "floor-falls",
        _FLOOR,
        'self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": seq})',
        "self._table.put(item)",
        "A sweep that comes late does not lower a floor that a restore has raised.",
    ),
    Mutant(
        "floor-admits-the-latest-run",
        _FLOOR,
        "floor.raise_to(corpus, latest.seq + 1)",
        "floor.raise_to(corpus, latest.seq)",
        "After a restore or a removal, late work of the newest run is refused, too.",
    ),
    Mutant(
        "shards-claimed-twice",
        _CLAIMS,
        '"attribute_not_exists(PK) OR expires_at <= :now",',
        '"attribute_not_exists(absent) OR expires_at <= :now",',
        "The same merge is not asked for again by each commit.",
    ),
    Mutant(
        "claim-lasts-for-ever",
        _CLAIMS,
        '"attribute_not_exists(PK) OR expires_at <= :now",',
        '"attribute_not_exists(PK) OR expires_at <= :now AND attribute_exists(absent)",',
        "A merge whose job was lost is asked for again after an hour.",
    ),
)
