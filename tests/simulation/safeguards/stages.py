"""Safeguards of the stages: the order of writing, publishing and recording, and second looks."""

from tests.simulation.safeguards.mutant import Mutant

_FETCH = "services/fetch/fetch_page.py"
_DERIVE = "services/derive/derive_job.py"
_CHUNK = "services/chunker/chunk_page.py"
_EMBED = "services/embedder/embed_part.py"
_INDEX = "services/indexer/group_commit.py"

MUTANTS = (
    Mutant(
        "fetch-records-before-it-publishes",
        _FETCH,
        """\
        self.publisher.publish([_derive_job(job)])
        is_first = self.runs.ledger.record_stage(
            job, "fetch", {"raw_records": kept.records}, etag=kept.etag, query_hash=page_hash
        )
""",
        """\
        is_first = self.runs.ledger.record_stage(
            job, "fetch", {"raw_records": kept.records}, etag=kept.etag, query_hash=page_hash
        )
        self.publisher.publish([_derive_job(job)])
""",
        "A fetcher that dies before it publishes does its job again.",
    ),
    Mutant(
        "page-overwritten-by-a-second-fetch",
        _FETCH,
        "                if_absent=True,\n",
        "",
        "What a page held when it was first received is what all stages work on.",
    ),
    Mutant(
        "second-fetch-counts-its-own-answer",
        _FETCH,
        """\
        except ConflictError:
            return self._kept_before(job)
""",
        """\
        except ConflictError:
            pass
""",
        "The etag, the count and the next pages are those of the page that was kept.",
    ),
    Mutant(
        "full-run-trusts-etags",
        _FETCH,
        'return None if run.mode == "full" else etag_since(since_seq=run.trusted_seq)',
        "return etag_since(since_seq=run.trusted_seq)",
        "A full run reads every page, as it must know all that the source has.",
    ),
    Mutant(
        "etag-from-before-the-last-run-is-trusted",
        "shared/corpora/corpus_state.py",
        'return None if item is None or item.get("seq", 0) < since_seq else item["etag"]',
        'return None if item is None else item["etag"]',
        "A page that returns to an older content is read, if a run in between read another one.",
    ),
    Mutant(
        "checkpoint-from-before-the-last-run-is-trusted",
        "shared/corpora/corpus_state.py",
        'etag = item.get("etag") if item.get("seq", 0) >= since_seq else None',
        'etag = item.get("etag")',
        "A source that returns to an older state is read, if a run in between read another one.",
    ),
    Mutant(
        "unchanged-page-is-not-confirmed",
        _FETCH,
        "            if known_etag is not None:\n",
        "            if False:\n",
        "A page that stays as it was is not read again by every other run.",
    ),
    Mutant(
        "planner-leaves-a-run-without-pages",
        "services/ingest/plan_run.py",
        "            self.runs.endings.end_run_if_complete(run_id)\n            return",
        "            return",
        "A run without pages ends, even if its planner dies just before.",
    ),
    Mutant(
        "gap-over-a-fetched-page",
        _FETCH,
        """\
        if self.runs.ledger.is_recorded(job, "fetch"):
            return  # another delivery of this job was luckier
""",
        "",
        "A page that another delivery fetched does not become a gap.",
    ),
    Mutant(
        "derive-records-before-it-publishes",
        _DERIVE,
        """\
        self.publisher.publish([_chunk_job(job)])
        counts = {
            "entities": len(page.entities),
            "edges": len(page.edges),
            "rejects": rejects,
            "left_out": page.left_out,
        }
        if self.runs.ledger.record_stage(job, "derive", counts):
""",
        """\
        counts = {
            "entities": len(page.entities),
            "edges": len(page.edges),
            "rejects": rejects,
            "left_out": page.left_out,
        }
        is_first = self.runs.ledger.record_stage(job, "derive", counts)
        self.publisher.publish([_chunk_job(job)])
        if is_first:
""",
        "A deriver that dies before it publishes does its job again.",
    ),
    Mutant(
        "derive-publishes-before-it-writes",
        _DERIVE,
        """\
        self._write(job, page)
        rejects = len(page.rejects) - page.left_out
""",
        """\
        self.publisher.publish([_chunk_job(job)])
        self._write(job, page)
        rejects = len(page.rejects) - page.left_out
""",
        "The entities of a page are written before anybody is asked to read them.",
    ),
    Mutant(
        "chunk-records-before-it-publishes",
        _CHUNK,
        """\
        self.publisher.publish(jobs)
        chunks = sum(len(entity.chunks) for entity in chunked)
        self.runs.ledger.record_stage(job, "chunker", {"chunks": chunks}, parts=len(parts))
""",
        """\
        chunks = sum(len(entity.chunks) for entity in chunked)
        self.runs.ledger.record_stage(job, "chunker", {"chunks": chunks}, parts=len(parts))
        self.publisher.publish(jobs)
""",
        "A chunker that dies before it publishes does its job again.",
    ),
    Mutant(
        "chunk-publishes-before-it-writes",
        _CHUNK,
        """\
            self.store.put(key, body, content_type=jsonl.CONTENT_TYPE)
            jobs.append(_embed_job(job, number, len(parts), key))
        self.publisher.publish(jobs)
""",
        """\
            self.publisher.publish([_embed_job(job, number, len(parts), key)])
            self.store.put(key, body, content_type=jsonl.CONTENT_TYPE)
""",
        "The chunks of a part are written before anybody is asked to read them.",
    ),
    Mutant(
        "embed-records-before-it-publishes",
        _EMBED,
        """\
            self.publisher.publish([_index_job(job, shard)])
            is_first = self.runs.ledger.record_stage(
                job, "embedder", counts, part=job.part, parts=job.parts
            )
""",
        """\
            is_first = self.runs.ledger.record_stage(
                job, "embedder", counts, part=job.part, parts=job.parts
            )
            self.publisher.publish([_index_job(job, shard)])
""",
        "An embedder that dies before it publishes does its job again.",
    ),
    Mutant(
        "embedder-ignores-the-floor",
        _EMBED,
        "if not is_of_model or job.seq < self.floor.read(job.corpus):",
        "if not is_of_model:",
        "A part that the index would refuse is not embedded.",
    ),
    Mutant(
        "part-recorded-before-it-is-committed",
        _INDEX,
        """\
        try:
            manifest = manifests.commit(shards, floor=floor)
        except Exception as error:  # noqa: BLE001 - becomes the failure of these messages
""",
        """\
        try:
            for job in jobs.values():
                self._record(job, is_outdated=False)
            manifest = manifests.commit(shards, floor=floor)
        except Exception as error:  # noqa: BLE001 - becomes the failure of these messages
""",
        "What is recorded as indexed is in the index.",
    ),
    Mutant(
        "refused-part-recorded-as-indexed",
        _INDEX,
        "return job.seq < floor_seq and job.shard.origin not in committed",
        "return False",
        "A part that the floor refused is recorded as outdated.",
    ),
    Mutant(
        "indexed-part-recorded-as-outdated",
        _INDEX,
        "return job.seq < floor_seq and job.shard.origin not in committed",
        "return job.seq < floor_seq",
        "A part that was committed before the floor rose is recorded as indexed.",
    ),
    Mutant(
        "shard-without-files-is-committed",
        _INDEX,
        "if gone and job.seq >= self.floor.read(job.corpus):",
        "if False:",
        "A manifest names no file that was collected before its job came.",
    ),
    Mutant(
        "refused-job-fails-for-its-files",
        _INDEX,
        "if gone and job.seq >= self.floor.read(job.corpus):",
        "if gone:",
        "A job below the floor, whose files are gone, ends and does not become a dead letter.",
    ),
    Mutant(
        "shard-with-the-name-of-another",
        _INDEX,
        "if not is_named_after(shard.shard_id, shard.origin):",
        "if False:",
        "A job cannot commit a shard under the name of another job's shard.",
    ),
    Mutant(
        "shard-of-another-job",
        _INDEX,
        "if shard.origin != shard_origin(job):",
        "if False:",
        "A job cannot commit a shard in the place of another job's shard.",
    ),
    Mutant(
        "merge-request-fails-the-commit",
        _INDEX,
        "except Exception as error:  # noqa: BLE001 - the shards are committed all the same",
        "except ZeroDivisionError as error:",
        "A merge that cannot be asked for does not fail the jobs that were committed.",
    ),
)
