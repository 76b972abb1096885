"""Pages that stay as they were: no run reads them again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from shared.sources.base import FetchedPage
from tests.integration.line.run_of_pages import ChainedSource, Line

ETAG = "v1"


class UnchangingSource(ChainedSource):
    """Says of each page that it is as it was, to whoever has read it."""

    def fetch(self, endpoint: str, query: Mapping[str, str], etag: str | None) -> FetchedPage:
        if etag == ETAG:
            return FetchedPage(etag=ETAG, is_not_modified=True)
        return replace(super().fetch(endpoint, query, etag), etag=ETAG)


def test_a_page_that_stays_as_it_was_is_read_by_the_first_of_many_runs_only(line: Line) -> None:
    line.source = UnchangingSource()
    line.source.planned = ["a"]
    unchanged = []
    for number in range(4):
        line.now += timedelta(minutes=1)
        run_id = line.start(f"request-{number}").run_id
        line.work()
        progress = line.progress(run_id)
        assert progress.run.status == "succeeded"
        unchanged.append(progress.pages_unchanged)
    assert unchanged == [0, 1, 1, 1]
    assert line.source.fetched == ["a"]
