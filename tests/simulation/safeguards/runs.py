"""Safeguards of the pages of runs: marks, outcomes, counters, and how pages join a run."""

from tests.simulation.safeguards.mutant import Mutant

_RUNS = "shared/runs/page_ledger.py"
_MARKS = "shared/runs/page_marks.py"
_PAGES = "shared/runs/page_joining.py"
_RECORDS = "shared/runs/run_planning.py"
_CANCELLED = "shared/runs/cancelled_runs.py"

MUTANTS = (
    Mutant(
        "stage-counted-at-each-delivery",
        _RUNS,
        '"NOT (contains(stages, :mark) OR contains(stages, :former)))",',
        '"NOT (contains(stages, :mark) OR contains(stages, :former)) OR "\n'
        '                "attribute_not_exists(absent))",',
        "A stage of a page is counted once, however often its job is delivered.",
    ),
    Mutant(
        "former-mark-is-no-mark",
        _RUNS,
        '"NOT (contains(stages, :mark) OR contains(stages, :former)))",',
        '"NOT (contains(stages, :mark) OR (contains(stages, :former) AND "\n'
        '                "attribute_exists(absent))))",',
        "What a worker of an earlier release marked is not counted again under the present name.",
    ),
    Mutant(
        "page-of-an-earlier-release-gets-other-marks",
        _RUNS,
        "former = tuple(former_mark(mark) for mark in marks)",
        "former = marks",
        "The marks on a page keep the names that the workers of the release that wrote it know.",
    ),
    Mutant(
        "counters-moved-after-the-mark",
        _RUNS,
        """\
            self._table.transact(writes)
        except ConditionFailedError:
            return False
        return True
""",
        """\
            self._table.transact(writes[:1])
            if writes[1:]:
                self._table.transact(writes[1:])
        except ConditionFailedError:
            return False
        return True
""",
        "Counters move in the transaction of the mark, so that a death in between loses no count.",
    ),
    Mutant(
        "part-without-shard-in-two-writes",
        _RUNS,
        """\
        marks = (mark_of("embedder", part), mark_of("indexer", part))
        return self._record(job, marks, counts, {"parts": parts})
""",
        """\
        is_first = self._record(job, (mark_of("embedder", part),), counts, {"parts": parts})
        self._record(job, (mark_of("indexer", part),), {}, {"parts": parts})
        return is_first
""",
        "One write marks a part without a shard embedded and indexed: it has no index job.",
    ),
    Mutant(
        "outdated-part-counts-as-indexed",
        _RUNS,
        'marks = (outdated_mark(part), mark_of("embedder", part))',
        'marks = (mark_of("indexer", part), mark_of("embedder", part))',
        "What the floor refused does not pass for indexed, so that the next run indexes it.",
    ),
    Mutant(
        "etag-of-an-outdated-page-is-trusted",
        _MARKS,
        'return bool(page.get("etag") and page.get("query_hash")) and not is_left_out',
        'return bool(page.get("etag") and page.get("query_hash"))',
        "A page of which something was refused is read again by the next run.",
    ),
    Mutant(
        "etag-of-a-superseded-page-is-trusted",
        _MARKS,
        "mark.startswith((_OUTDATED, _SUPERSEDED))",
        "mark.startswith(_OUTDATED)",
        "A page is read again whose entities a newer job began and perhaps never indexed.",
    ),
    Mutant(
        "page-ends-before-its-late-marks",
        _MARKS,
        "if parts is None or not marks >= _WHOLE_PAGE_MARKS:",
        "if parts is None:",
        "A page ends once every stage has counted it, also where an early stage records late.",
    ),
    Mutant(
        "page-ends-before-it-is-indexed",
        _MARKS,
        """\
        mark_of("embedder", n) in marks
        and not marks.isdisjoint((mark_of("indexer", n), outdated_mark(n)))
""",
        """\
        mark_of("embedder", n) in marks
""",
        "A page is done only when all its parts are in the index.",
    ),
    Mutant(
        "first-outcome-without-condition",
        _RUNS,
        'condition = "attribute_exists(PK) AND attribute_not_exists(outcome)"',
        'condition = "attribute_not_exists(absent)"',
        "Of two workers that end a page at once, one counts it.",
    ),
    Mutant(
        "changed-outcome-without-condition",
        _RUNS,
        'condition, values[":before"] = "outcome = :before", before',
        'condition, values[":before"] = "outcome = :before OR attribute_exists(PK)", before',
        "Of two workers that turn a failed page into a done one, one counts it.",
    ),
    Mutant(
        "done-page-may-fail",
        _RUNS,
        """\
            if before == outcome or (before is not None and before not in _REVOCABLE_OUTCOMES):
                return
            if before is not None and outcome in _REVOCABLE_OUTCOMES:
                return
""",
        """\
            if before == outcome:
                return
""",
        "A page that is done stays done, whatever a late delivery says of it.",
    ),
    Mutant(
        "page-counted-in-two-outcomes",
        _RUNS,
        "counts[_OUTCOME_COUNTER[before]] = -1",
        "pass",
        "A failed page that becomes done is no longer counted as failed.",
    ),
    Mutant(
        "page-ended-by-its-first-recorder-only",
        _RUNS,
        """\
        self._end_if_complete(job, page)
        return is_first
""",
        """\
        if is_first:
            self._end_if_complete(job, page)
        return is_first
""",
        "Whoever records a stage again ends the page, should the first recorder have died.",
    ),
    Mutant(
        "ended-page-does-not-end-its-run",
        _RUNS,
        'if page.get("outcome") in {"done", "unchanged"} or is_complete(page):',
        'if is_complete(page) and page.get("outcome") not in {"done", "unchanged"}:',
        "A worker that died between the end of the last page and that of the run is made up for.",
    ),
    Mutant(
        "outdated-part-is-recorded-again",
        _MARKS,
        'return stage == "indexer" and part is not None and outdated_mark(part) in marks',
        "return False",
        "An index job that was refused is not done again at each delivery.",
    ),
    Mutant(
        "cancel-known-after-an-hour",
        _CANCELLED,
        "FRESH_SECONDS = 5.0",
        "FRESH_SECONDS = 3600.0",
        "Workers drop the jobs of a cancelled run within five seconds.",
    ),
    Mutant(
        "page-planned-twice",
        _PAGES,
        'writes.append(self._table.put_write(item, "attribute_not_exists(PK)"))',
        "writes.append(self._table.put_write(item))",
        "A plan that is made again neither counts a page twice nor forgets what it did.",
    ),
    Mutant(
        "page-joins-a-cancelled-run",
        _PAGES,
        'condition = "#status IN (:a, :b) AND attribute_not_exists(cancel_requested)"',
        'condition = "#status IN (:a, :b)"',
        "No page joins a run that is being cancelled, which would leave the page open.",
    ),
    Mutant(
        "page-joins-an-ended-run",
        _PAGES,
        'condition = "#status IN (:a, :b) AND attribute_not_exists(cancel_requested)"',
        'condition = "(#status IN (:a, :b) OR attribute_not_exists(absent)) AND '
        'attribute_not_exists(cancel_requested)"',
        "No page joins a run that has ended or is planned already, without an outcome.",
    ),
    Mutant(
        "joining-pages-do-not-change-the-run",
        _PAGES,
        '"ADD pages_planned :pages, changes :one",',
        '"ADD pages_planned :pages, spare :one",',
        "A run does not end between the look at its counters and the joining of another page.",
    ),
    Mutant(
        "run-record-written-twice",
        _RECORDS,
        'self._table.put_write(item, "attribute_not_exists(PK)"),',
        "self._table.put_write(item),",
        "A request that is delivered twice does not set the record of its run back.",
    ),
    Mutant(
        "two-runs-with-one-number",
        _RECORDS,
        "self._table.put_write(latest, is_unchanged, values),",
        "self._table.put_write(latest),",
        "Two runs that begin at once get different numbers.",
    ),
    Mutant(
        "number-not-above-the-last",
        _RECORDS,
        "seq = record.seq if last is None else max(record.seq, last + 1)",
        "seq = record.seq",
        "A run's number is greater than that of each run before it, whatever the clock says.",
    ),
    Mutant(
        "run-starts-without-its-lease",
        _RECORDS,
        'corpus, "LEASE", "SET run_id = :run", {":run": run_id}, "run_id = :run"',
        'corpus, "LEASE", "SET run_id = :run", {":run": run_id}, '
        '"run_id = :run OR attribute_not_exists(absent)"',
        "A planner that lost the corpus to another run begins no run.",
    ),
    Mutant(
        "ended-run-may-be-cancelled",
        "shared/runs/run_steering.py",
        '"#status IN (:planning, :running)",',
        '"#status IN (:planning, :running) OR attribute_not_exists(absent)",',
        "A run that has ended is left as it is by a cancel that comes late.",
    ),
    Mutant(
        "planned-run-takes-a-held-corpus",
        "shared/runs/run_writes.py",
        '"attribute_not_exists(PK) OR run_id = :run",',
        '"attribute_not_exists(PK) OR run_id = :run OR attribute_not_exists(absent)",',
        "A run that goes on after its lease was lost does not take the corpus from another run.",
    ),
)
