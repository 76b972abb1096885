"""What every source that is read over HTTP must live with: nothing lost, nothing twice, no end."""

import pytest

from tests.integration.conformance import faults
from tests.integration.conformance.driver import Driver, Outcome
from tests.integration.conformance.server import SiteServer, running_site_server
from tests.integration.conformance.site import Answer, Fault, Site, on_page_of
from tests.integration.conformance.sites.all_sites import SITES, sites_with
from tests.integration.conformance.sites.sitemap import SitemapSite
from tests.integration.sources.pipeline import Pipeline
from tests.integration.sources.scripted_server import Request

MIDDLE = 3
"""A record that is neither on the first page nor, where there are several, on the last."""

_MOST_REQUESTS = 60


@pytest.fixture
def site(
    request: pytest.FixtureRequest, pipeline: Pipeline, server: SiteServer, corpus: str
) -> Site:
    """The site of a case, being served, with a corpus that reads it."""
    made: Site = request.param()
    server.serve(made)
    pipeline.put_corpus(corpus, made.source(server.url), made.mapping)
    return made


def each_site(sites: list[type[Site]] | tuple[type[Site], ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", sites, ids=lambda site: site.name, indirect=True)


@each_site(SITES)
def test_all_of_a_site_arrives_though_every_message_comes_twice(
    site: Site, pipeline: Pipeline, driver: Driver, server: SiteServer, corpus: str
) -> None:
    outcome = driver.twice().run(corpus)
    outcome.assert_adds_up()
    assert dict(outcome.entities) == dict.fromkeys(site.entity_keys(), 1)
    assert outcome.progress.run.status == "succeeded"
    assert len(server.requests) <= _MOST_REQUESTS


@each_site(SITES)
def test_trouble_that_passes_loses_nothing(
    site: Site, driver: Driver, server: SiteServer, corpus: str
) -> None:
    troubles = {
        1: (faults.stalled, faults.cut_short, faults.status(429, Retry_After="40")),
        MIDDLE: (faults.truncated_gzip, faults.status(500), faults.refused_for_now),
        5: (faults.hung_up, faults.status(429), faults.slowly),
    }
    server.faults = [
        Fault(trouble, on_page_of(record)) for record in troubles for trouble in troubles[record]
    ]
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert dict(outcome.entities) == dict.fromkeys(site.entity_keys(), 1)
    assert outcome.gaps == []
    assert all(fault.times == 0 for fault in server.faults), "a fault was never met"
    assert len(server.requests) <= _MOST_REQUESTS


class SiteWithImage(SitemapSite):
    """Its sitemap also names what is no page."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/things/4":
            return Answer((b"not HTML",), headers=(("Content-Type", "image/png"),))
        return super().answer(request)


@each_site((SiteWithImage,))
def test_what_is_not_for_indexing_is_left_out_and_no_mistake(
    site: Site, driver: Driver, corpus: str
) -> None:
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert set(outcome.entities) == site.entity_keys() - {site.entity_key(4)}
    assert (outcome.progress.left_out, outcome.progress.rejects) == (1, 0)


def assert_one_gap(outcome: Outcome, code: str, readable: dict[str, int]) -> None:
    outcome.assert_adds_up()
    assert dict(outcome.entities) == readable
    assert [gap.reason.partition(":")[0] for gap in outcome.gaps] == [code]


@each_site(SITES)
def test_a_page_that_cannot_be_read_is_a_gap_until_it_can(
    site: Site, driver: Driver, server: SiteServer, corpus: str
) -> None:
    readable = dict.fromkeys(site.entity_keys() - site.unread_without_page_of(MIDDLE), 1)
    server.faults = [Fault(faults.status(500), on_page_of(MIDDLE), times=None)]
    outcome = driver.run(corpus)
    assert_one_gap(outcome, "SOURCE_UNAVAILABLE", readable)

    with running_site_server("127.0.0.2") as inside:
        effects = {
            "wrong_form": faults.wrong_form,
            "redirect": faults.redirected(f"{inside.url}/secrets"),
        }
        for name, code in site.gap_codes.items():
            server.faults = [Fault(effects[name], on_page_of(MIDDLE), times=None)]
            assert_one_gap(driver.retry_gaps(corpus, outcome.run_id), code, readable)
        assert inside.requests == [], "a private address was called"
    assert len(server.requests) <= _MOST_REQUESTS

    server.faults = []
    healed = driver.retry_gaps(corpus, outcome.run_id)
    healed.assert_adds_up()
    assert dict(healed.entities) == dict.fromkeys(site.entity_keys(), 1)
    assert healed.gaps == []


@each_site(sites_with("changing_totals"))
def test_a_site_that_grows_while_it_is_read(
    site: Site, driver: Driver, server: SiteServer, corpus: str
) -> None:
    before = site.entity_keys()
    server.changes = {1: lambda: site.records.extend([6, 7, 8, 9])}
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert outcome.gaps == []
    expected = site.entity_keys() if site.reads_growth else before
    assert set(outcome.entities) >= expected
    assert set(outcome.entities.values()) == {1}
    assert len(server.requests) <= _MOST_REQUESTS


@each_site(sites_with("changing_totals"))
def test_a_site_that_shrinks_while_it_is_read(
    site: Site, driver: Driver, server: SiteServer, corpus: str
) -> None:
    server.changes = {1: lambda: site.records.__delitem__(slice(3, None))}
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert outcome.gaps == []
    assert dict(outcome.entities) == dict.fromkeys(site.entity_keys(), 1)


@each_site(sites_with("duplicates"))
def test_records_that_come_twice_and_pages_without_any(
    site: Site, driver: Driver, server: SiteServer, corpus: str
) -> None:
    site.records = [1, 2, 3, 2, 4, 1, 5]
    site.has_empty_page = "empty_pages" in site.abilities
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert outcome.gaps == []
    assert set(outcome.entities) == site.entity_keys()
    assert outcome.progress.raw_records == len(site.records)


@each_site(sites_with("loops"))
def test_a_site_that_leads_back_to_its_beginning(
    site: Site, driver: Driver, server: SiteServer, corpus: str
) -> None:
    site.is_looping = True
    outcome = driver.run(corpus)
    outcome.assert_adds_up()
    assert dict(outcome.entities) == dict.fromkeys(site.entity_keys(), 1)
    assert [gap.reason.startswith("CURSOR_LOOP") for gap in outcome.gaps] == [True]
    assert len(server.requests) <= site.page_count + 1
