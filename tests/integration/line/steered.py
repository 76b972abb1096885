"""Runs as an operator finds them: half done, with a gap, or cut off."""

from typing import cast

import pytest

from shared.models.jobs import DeriveJob, PageJob
from shared.models.run import RunMode
from tests.integration.line.run_of_pages import Line, WorkerDiedError

UNKNOWN = "20261123T060000Z-ffffffff"


def die(*_: object) -> None:
    """Stand in for a call at which the worker is killed."""
    raise WorkerDiedError


def take_one(line: Line) -> PageJob:
    return cast(PageJob, line.pages.jobs.pop(0))


def half_done(line: Line, mode: RunMode = "incremental") -> str:
    """Begin a run of which one page is done, one fetched, and one waits."""
    run_id = line.start(mode=mode).run_id
    line.fetch(take_one(line))
    line.finish(cast(DeriveJob, line.derive.jobs.pop(0)))
    line.fetch(take_one(line))
    return run_id


def broken_run(line: Line) -> str:
    """A run that ended with a gap."""
    line.source.broken = {"b"}
    run_id = line.start().run_id
    line.work()
    assert line.progress(run_id).run.status == "incomplete"
    return run_id


def cut_off_while_planning(line: Line, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a planner die before it published a page; the run that it leaves."""
    with monkeypatch.context() as patch:
        patch.setattr(line.pages, "publish", die)
        with pytest.raises(WorkerDiedError):
            line.start()
    (progress,) = line.runs.reader.list_runs(line.corpus)
    assert progress.run.status == "planning"
    return progress.run.run_id


def cut_off_retry(line: Line, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a worker die before it opened the gaps of a run that it took up again."""
    run_id = broken_run(line)
    line.source.broken = set()
    with monkeypatch.context() as patch:
        patch.setattr(line.runs.steering, "_move_pages", die)
        with pytest.raises(WorkerDiedError):
            line.steer("retry_gaps", run_id)
    return run_id
