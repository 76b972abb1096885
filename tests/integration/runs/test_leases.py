"""Leases that are given back, renewed or taken just as another process looks at them."""

from datetime import timedelta

import pytest

from shared.runs.leases import Lease
from tests.integration.line.interleaved import after_next
from tests.integration.line.run_of_pages import Line
from tests.integration.line.steered import UNKNOWN, half_done


def test_a_run_that_ended_while_it_was_resumed_takes_no_corpus(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = half_done(line)
    after_next(monkeypatch, line.pages, "publish", line.work)
    assert line.steer("resume", run_id).status == "succeeded"
    assert line.state.lease(line.corpus) is None


def test_a_lease_that_is_renewed_while_it_is_looked_at_as_expired_stays(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.state.acquire_lease(line.corpus, "restore-1", 600)
    line.now += timedelta(seconds=600)

    def renew() -> None:
        line.state.acquire_lease(line.corpus, "restore-1", 600)

    after_next(monkeypatch, line.runs.reader, "exists", renew)
    assert line.state.close_abandoned_run(line.corpus, UNKNOWN, line.runs) is None
    expires_at = int(line.now.timestamp()) + 600
    assert line.state.lease(line.corpus) == Lease("restore-1", expires_at, 600)


def test_a_corpus_is_given_back_by_none_but_its_holder(line: Line) -> None:
    line.state.acquire_lease(line.corpus, "restore-1", 600)
    held = line.state.lease(line.corpus)
    line.state.release_lease(line.corpus, UNKNOWN)
    assert line.state.lease(line.corpus) == held
    line.state.release_lease(line.corpus, "restore-1")
    assert line.state.lease(line.corpus) is None
