"""An operator's day: corpora by command, gaps repaired, runs cancelled, messages redriven."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.local_aws.target import LOOPBACK
from shared.models.run import RunProgress
from shared.storage import keys
from tests.e2e.stack import Stack, wait_for
from tests.integration.conformance.faults import status
from tests.integration.conformance.server import SiteServer, running_site_server
from tests.integration.conformance.site import Fault, Site, on_page_of
from tests.integration.conformance.sites.http_json import CursorSite, OffsetTotalSite
from tests.integration.conformance.sites.mediawiki import MediaWikiSite
from tests.integration.conformance.sites.sitemap import SitemapSite

RUN_NOT_SUCCEEDED = 5
ServeCorpus = Callable[[Site, str], None]


@pytest.fixture
def web(stack: Stack) -> Iterator[SiteServer]:
    target = stack.deployment.target
    host = target.source_host if target else LOOPBACK
    with running_site_server(host) as server:
        server.url = server.url.replace(host, LOOPBACK)
        yield server


def document(stack: Stack, site: Site, name: str, url: str) -> dict[str, Any]:
    """The corpus of a site, whose server the functions may know by another name."""
    url = stack.deployment.as_functions_see(url)
    mapping = {} if site.mapping is None else {"mapping": site.mapping}
    return {"name": name, "source": site.source(url), **mapping}


@pytest.fixture
def serve_corpus(stack: Stack, web: SiteServer, tmp_path: Path) -> Iterator[ServeCorpus]:
    """Serves a site, and adds a corpus of it, which is removed at the end."""
    added: list[str] = []

    def serve(site: Site, name: str) -> None:
        web.serve(site)
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document(stack, site, name, web.url)))
        stack.command("corpus", "add", str(path))
        added.append(name)

    yield serve
    for name in added:
        stack.command("corpus", "remove", name)


def start(stack: Stack, corpus: str, *, status: int = 0) -> RunProgress:
    """`ultron run start --wait`; the run as it ended."""
    stack.command("run", "start", "--corpus", corpus, "--mode", "full", "--wait", status=status)
    [newest, *_] = stack.runs.list_runs(corpus, 1)
    return stack.runs.get_run(newest.run.run_id)


def assert_all_are_found(stack: Stack, corpus: str, site: Site) -> None:
    for record in site.records:
        answer = stack.retrieve(site.marker(record), corpus=corpus, k="1", mode="lexical")
        assert answer.status == 200, answer.body
        found = [f"{r['meta']['entity']}:{r['meta']['id']}" for r in answer.body["results"]]
        assert found == [site.entity_key(record)]


@pytest.mark.parametrize(
    "site", [CursorSite(), MediaWikiSite(), SitemapSite()], ids=lambda s: s.name
)
def test_a_corpus_is_tried_added_run_asked_and_removed(
    stack: Stack, web: SiteServer, site: Site, tmp_path: Path
) -> None:
    name = f"by-command-{site.name.replace('_', '-')}"
    web.serve(site)
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(document(stack, site, name, web.url)))

    tried = stack.ask("corpus", "try", "--file", str(path), "--limit", "3")
    assert len(tried["entities"]) == 3
    assert list(stack.keys(f"raw/{name}/")) == []

    stack.command("corpus", "add", str(path))
    assert name in {corpus["name"] for corpus in stack.ask("corpus", "list")["corpora"]}
    run = start(stack, name)
    assert run.run.status == "succeeded", run.run.reason
    assert run.entities == len(site.records)
    assert_all_are_found(stack, name, site)

    stack.command("corpus", "remove", name, "--delete-index")
    assert name not in {corpus["name"] for corpus in stack.ask("corpus", "list")["corpora"]}
    assert list(stack.keys(f"indexes/{name}/")) == []


def test_a_corpus_of_terraform_is_not_the_commands_to_change(stack: Stack) -> None:
    stack.command("corpus", "remove", "marvel", status=4)


def test_a_gap_is_listed_and_mended(
    stack: Stack, web: SiteServer, serve_corpus: ServeCorpus
) -> None:
    site = OffsetTotalSite()
    serve_corpus(site, "gaps")
    web.faults = [Fault(status(403), on_page_of(3), times=None)]
    run = start(stack, "gaps", status=RUN_NOT_SUCCEEDED)
    assert (run.run.status, run.pages_gap, run.entities) == ("incomplete", 1, 3)
    [gap] = stack.ask("run", "gaps", run.run.run_id)["gaps"]
    assert "403" in gap["reason"]

    web.faults = []
    stack.command("run", "retry-gaps", run.run.run_id)
    mended = stack.wait_for_run(run.run.run_id)
    assert (mended.run.status, mended.pages_gap, mended.entities) == ("succeeded", 0, 5)
    assert mended.run.pages_planned == mended.pages_done == run.run.pages_planned
    assert_all_are_found(stack, "gaps", site)


def test_a_cancelled_run_asks_its_source_for_nothing_more(
    stack: Stack, web: SiteServer, serve_corpus: ServeCorpus
) -> None:
    serve_corpus(OffsetTotalSite(), "cancelled")
    stack.command("stage", "pause", "fetch")
    try:
        stack.command("run", "start", "--corpus", "cancelled")
        [newest] = stack.runs.list_runs("cancelled", 1)
        asked = len(web.requests)
        stack.command("run", "cancel", newest.run.run_id)
    finally:
        stack.command("stage", "resume", "fetch")
    run = stack.wait_for_run(newest.run.run_id)
    assert (run.run.status, run.pages_cancelled) == ("cancelled", run.run.pages_planned)
    wait_until_empty(stack, "page-jobs")
    assert len(web.requests) == asked
    # Nothing of it is in the way of the next.
    assert start(stack, "cancelled").run.status == "succeeded"


def test_a_dead_letter_is_shown_with_its_reason_and_redriven(
    stack: Stack, serve_corpus: ServeCorpus
) -> None:
    site = CursorSite()
    serve_corpus(site, "messages")
    stack.command("stage", "pause", "derive")
    try:
        stack.command("run", "start", "--corpus", "messages")
        [newest] = stack.runs.list_runs("messages", 1)
        pages = wait_for(lambda: fetched(stack, newest.run.run_id, 3), "three pages fetched", 60)
        lost = stack.store.get(pages[0])
        stack.store.delete(lost.key)
    finally:
        stack.command("stage", "resume", "derive")
    run = stack.wait_for_run(newest.run.run_id)
    assert (run.run.status, run.pages_failed) == ("incomplete", 1)

    messages = [
        message
        for message in stack.ask("dlq", "list", "--stage", "derive")["dead_letters"]
        if isinstance(message["job"], dict) and message["job"].get("run_id") == run.run.run_id
    ]
    assert {message["code"] for message in messages} == {"NOT_FOUND"}
    assert lost.key in messages[0]["reason"]

    stack.store.put(lost.key, lost.data, metadata=lost.metadata)
    for message in messages:
        stack.command("dlq", "redrive", "derive", message["message_id"])

    def succeeded() -> RunProgress | None:
        progress = stack.runs.get_run(run.run.run_id)
        return progress if progress.run.status == "succeeded" else None

    redriven = wait_for(succeeded, "the redriven run to succeed", 60)
    assert (redriven.pages_failed, redriven.entities) == (0, len(site.records))
    assert_all_are_found(stack, "messages", site)


def fetched(stack: Stack, run_id: str, pages: int) -> list[str] | None:
    """The raw objects of a run, once there are so many."""
    found = list(stack.keys(f"raw/messages/{keys.run_date_path(run_id)}/{run_id}/"))
    return found if len(found) == pages else None


def wait_until_empty(stack: Stack, queue: str) -> None:
    def empty() -> bool | None:
        found = stack.sqs.get_queue_attributes(
            QueueUrl=stack.outputs["queue_urls"][queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return True if set(found["Attributes"].values()) == {"0"} else None

    wait_for(empty, f"{queue} to be empty", 60)
