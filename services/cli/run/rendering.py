"""Runs as text; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.cli.run.watching import PAGES, StageReading
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
_SEPARATOR = "  "
_LONGEST_BAR = 32
_SHORTEST_BAR = 8
_SLOWEST_SHOWN = 0.05  # a slower stage would be shown at 0.0/s


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


def watch_line(progress: RunProgress, stages: Sequence[StageReading]) -> str:
    """How far a run is and how fast it goes, on one line for a file.

    Only what is known and says something: no count that is zero but that of the pages, no speed and
    no remaining time of a run that has ended.
    """
    parts = [_stage_text(progress, stage) for stage in stages if _is_shown(stage)]
    return " · ".join([_status(progress), *parts, *_failures(progress)])


def watch_bar(progress: RunProgress, stages: Sequence[StageReading], columns: int) -> str:
    """The same for a terminal so wide, with a bar of the pages; in ASCII.

    What does not fit is left out, the least important first.
    """
    pages, *others = (_stage_text(progress, stage) for stage in stages if _is_shown(stage))
    head, failures = _status(progress), _failures(progress)
    planned = progress.run.pages_planned if progress.run.status != "planning" else 0
    # As wide at each drawing, so that it moves by what is done alone.
    bar_columns = min(max(columns // 5, _SHORTEST_BAR), _LONGEST_BAR)
    bar = [_bar(progress.pages_ended / planned, bar_columns)] if planned else []
    # Vectors are the work itself; what comes before them counts less, and goes first.
    while others and _width([head, *bar, pages, *others, *failures]) > columns:
        others.pop(0)
    if _width([head, *bar, pages, *failures]) > columns:
        bar = []
    return _SEPARATOR.join([head, *bar, pages, *others, *failures])


def duration(seconds: float) -> str:
    """A time to wait, roughly."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _stage_text(progress: RunProgress, stage: StageReading) -> str:
    text = f"{stage.name} {stage.done}"
    if stage.total is not None:
        text += f"/{stage.total}{_more(progress)}"
    if progress.is_ended:
        return text
    if stage.per_second is not None and stage.per_second >= _SLOWEST_SHOWN:
        text += f" {stage.per_second:.1f}/s"
    return f"{text} left {duration(stage.seconds_left)}" if stage.seconds_left else text


def _is_shown(stage: StageReading) -> bool:
    return stage.name == PAGES or bool(stage.done or stage.total)


def _failures(progress: RunProgress) -> list[str]:
    counts = (
        (progress.pages_gap, "gaps"),
        (progress.pages_failed, "failed"),
        (progress.rejects, "rejects"),
    )
    found = ", ".join(f"{count} {name}" for count, name in counts if count)
    return [found] if found else []


def _bar(share: float, columns: int) -> str:
    cells = columns - len("[]")
    full = int(cells * min(share, 1.0))
    return f"[{'#' * full}{'.' * (cells - full)}]"


def _width(parts: Sequence[str]) -> int:
    return len(_SEPARATOR.join(parts))


def _status(progress: RunProgress) -> str:
    is_cancelling = progress.run.cancel_requested and not progress.is_ended
    return "cancelling" if is_cancelling else progress.run.status


def _planned(progress: RunProgress) -> str:
    return f"{progress.run.pages_planned}{_more(progress)}"


def _more(progress: RunProgress) -> str:
    return "+" if progress.run.status == "planning" else ""
