"""Runs as text; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.cli.watching import StageReading
from shared.models.run import ProblemPage, RunProgress

_COUNTERS = (
    "raw_records", "entities", "edges", "rejects", "left_out", "chunks", "chunks_unchanged",
    "vectors", "shards", "parts_outdated", "entities_deleted",
)  # fmt: skip
_PAGE_OUTCOMES = (
    ("unchanged", "pages_unchanged"),
    ("gaps", "pages_gap"),
    ("failed", "pages_failed"),
    ("cancelled", "pages_cancelled"),
)
_MOST_PROBLEMS = 20


def progress_line(progress: RunProgress) -> str:
    """One line of how far a run is; counters that are zero are left out, pages never."""
    pages = f"pages {progress.pages_ended}/{_planned(progress)}"
    special = [
        f"{count} {name}" for name, field in _PAGE_OUTCOMES if (count := getattr(progress, field))
    ]
    if special:
        pages += f" ({', '.join(special)})"
    counters = [
        f"{name.replace('_', ' ')} {count}"
        for name in _COUNTERS
        if (count := getattr(progress, name))
    ]
    return " · ".join([_status(progress), pages, *counters])


def ending_line(progress: RunProgress) -> str:
    """How a run ended, and why if not well."""
    run = progress.run
    reason = f" ({run.reason})" if run.reason else ""
    return f"run {run.run_id} {run.status}{reason}"


def run_lines(progress: RunProgress, problems: Sequence[ProblemPage]) -> Iterator[str]:
    """A whole run, a fact a line, with the pages that it could not read or finish."""
    run = progress.run
    yield f"run {run.run_id} of {run.corpus} ({run.mode}): {run.status}"
    yield f"started {run.started_at}" + (f", ended {run.ended_at}" if run.ended_at else "")
    if run.cancel_requested and run.status != "cancelled":
        yield f"is being cancelled since {run.cancel_requested}"
    if run.reason:
        yield f"reason: {run.reason}"
    yield progress_line(progress)
    for problem in problems[:_MOST_PROBLEMS]:
        yield f"{problem.outcome} {problem.page_id}: {problem.reason}"
    if len(problems) > _MOST_PROBLEMS:
        rest = len(problems) - _MOST_PROBLEMS
        yield f"and {rest} more; `ultron run gaps {run.run_id}` lists all gaps"


def run_list_lines(runs: Sequence[RunProgress]) -> Iterator[str]:
    """Runs, one a line, the newest first."""
    if not runs:
        yield "no runs yet"
    for progress in runs:
        yield f"{progress.run.run_id}  {progress.run.mode:<11}  {progress_line(progress)}"


def gap_lines(gaps: Sequence[ProblemPage]) -> Iterator[str]:
    """Gaps with what was asked of the source, and why it was not given."""
    if not gaps:
        yield "no gaps"
    for gap in gaps:
        asked = " ".join(f"{name}={value}" for name, value in sorted(gap.query.items()))
        yield f"{gap.page_id}  {gap.endpoint}  {asked}".rstrip()
        yield f"   {gap.reason}"


def steering_line(action: str, summary: Mapping[str, Any]) -> str:
    """What came of cancelling, resuming or retrying a run."""
    reason = f" ({summary['reason']})" if summary.get("reason") else ""
    return f"{action}: run {summary['run_id']} is {summary['status']}{reason}"


def watch_lines(progress: RunProgress, stages: Sequence[StageReading]) -> Iterator[str]:
    """A run as it goes: a heading, a line a stage, and what went wrong."""
    yield f"run {progress.run.run_id} of {progress.run.corpus}: {_status(progress)}"
    for stage in stages:
        total = f"/{stage.total}{_more(progress)}" if stage.total is not None else ""
        left = "" if stage.total is None else f"  left {duration(stage.seconds_left)}"
        yield f"  {stage.name:<9}{f'{stage.done}{total}':>16}{_rate(stage):>12}{left}"
    yield f"  {'errors':<9}{errors(progress)}"


def watch_line(progress: RunProgress, stages: Sequence[StageReading]) -> str:
    """The same on one line, for a file."""
    parts = []
    for stage in stages:
        total = f"/{stage.total}{_more(progress)}" if stage.total is not None else ""
        parts.append(f"{stage.name} {stage.done}{total} {_rate(stage)}")
        if stage.total is not None:
            parts[-1] += f" left {duration(stage.seconds_left)}"
    return " · ".join([_status(progress), *parts, f"errors {errors(progress)}"])


def errors(progress: RunProgress) -> str:
    """What went wrong so far."""
    return f"{progress.pages_gap} gaps, {progress.pages_failed} failed, {progress.rejects} rejects"


def duration(seconds: float | None) -> str:
    """A time to wait, roughly; "?" when it is not known."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _status(progress: RunProgress) -> str:
    is_cancelling = progress.run.cancel_requested and not progress.is_ended
    return "cancelling" if is_cancelling else progress.run.status


def _planned(progress: RunProgress) -> str:
    return f"{progress.run.pages_planned}{_more(progress)}"


def _more(progress: RunProgress) -> str:
    return "+" if progress.run.status == "planning" else ""


def _rate(stage: StageReading) -> str:
    return "?/s" if stage.per_second is None else f"{stage.per_second:.1f}/s"
