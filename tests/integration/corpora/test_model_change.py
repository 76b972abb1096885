"""A change of model: runs become full ones, and readers move when all is there."""

from dataclasses import replace
from typing import cast

import pytest

from services.compactor.sweep.completion import Completion
from services.compactor.sweep.sweep_run import Sweeper
from services.embedder.embed_part import Embedder
from services.ingest.model_change import ModelChange
from shared.corpora.documents import CorpusRegistry
from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import SettingsError
from shared.index.manifest.manifest_store import ManifestStore
from shared.messaging.publisher import JobPublisher
from shared.models.manifest import ModelIdentity
from tests.integration.line.indexed_corpus import CORPUS, Shelf, checksums
from tests.unit.embedder.remembered import MODEL, RememberedModel

OTHER = ModelIdentity(id="other", revision="7", dims=3)
TEXTS = {"a:1": "one", "a:2": "two", "a:3": ""}


class OtherModel(RememberedModel):
    """The model that the corpus is moved to."""

    def identity(self) -> ModelIdentity:
        return OTHER


class KilledError(Exception):
    """A worker ends here."""


class DyingPublisher:
    """Ends its worker before anything is published."""

    def publish(self, _: object) -> None:
        raise KilledError


def move(shelf: Shelf, model: ModelIdentity) -> None:
    """Set another model, as an apply does; both are deployed."""
    kind = RememberedModel if model == MODEL else OtherModel
    shelf.manifests = ManifestStore(shelf.store, CORPUS, model)
    shelf.embedder = Embedder(
        store=shelf.store,
        model_of=lambda _: kind(lambda: shelf.encoder),
        publisher=cast(JobPublisher, shelf.queue),
        runs=shelf.runs,
        unchanged=shelf.embedder.unchanged,
        floor=shelf.floor,
    )
    shelf.sweeper = Sweeper(
        store=shelf.store,
        model=model,
        runs=shelf.runs,
        state=shelf.state,
        floor=shelf.floor,
        versions=shelf.versions,
        corpora=cast(CorpusRegistry, shelf.registry),
        completion=Completion(shelf.store, model, shelf.versions, shelf.directory),
        work_directory=shelf.directory,
    )


def needs_full_run(shelf: Shelf, model: ModelIdentity) -> bool:
    prefixes = {one.id: f"models/{one.id}/{one.revision}/" for one in (MODEL, OTHER)}
    change = ModelChange(shelf.store, ModelPrefixes(prefixes[model.id], prefixes))
    return change.needs_full_run(shelf.registry.corpus)


def test_a_full_run_under_the_new_model_completes_its_index(shelf: Shelf) -> None:
    assert not needs_full_run(shelf, OTHER)  # there is nothing yet: any run reads everything
    shelf.run(1, [TEXTS])
    before, embedded = shelf.manifest(), shelf.encoder.texts
    assert (needs_full_run(shelf, MODEL), needs_full_run(shelf, OTHER)) == (False, True)
    move(shelf, OTHER)
    progress = shelf.run(2, [TEXTS])
    assert (progress.run.status, progress.run.reason, progress.vectors) == ("succeeded", None, 2)
    assert shelf.encoder.texts == embedded * 2
    assert (shelf.manifest().generation, shelf.manifest().change) == (1, "complete")
    assert shelf.live() == checksums(TEXTS)
    assert ManifestStore(shelf.store, CORPUS, MODEL).read().manifest == before
    assert (needs_full_run(shelf, MODEL), needs_full_run(shelf, OTHER)) == (True, False)
    version = shelf.manifest().version
    shelf.run(3, [TEXTS])
    assert shelf.manifest().version == version


def test_an_incremental_run_completes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    shelf.run(2, [{"a:1": "uno"}], mode="incremental")
    assert shelf.manifest().generation is None
    assert needs_full_run(shelf, OTHER)


def test_a_run_that_was_under_way_when_the_model_changed_completes_nothing(shelf: Shelf) -> None:
    shelf.run(1, [{"a:9": "nine"}])
    first, second = shelf.plan(2, 2)
    shelf.finish(shelf.chunked(first, TEXTS))
    move(shelf, OTHER)
    shelf.finish(shelf.chunked(second, {"a:4": "four"}))
    shelf.sweep_all()
    progress = shelf.progress(2)
    assert progress.run.status == "incomplete"
    assert (progress.run.reason or "").startswith("1 parts did not enter the index")
    assert progress.parts_outdated == 1
    assert shelf.run(3, [TEXTS, {"a:4": "four"}]).run.status == "succeeded"
    assert shelf.manifest().generation == 1


def test_a_part_that_was_begun_under_a_former_model_is_not_taken_for_indexed(
    shelf: Shelf,
) -> None:
    shelf.run(1, [{"a:9": "nine"}])
    (page,) = shelf.plan(2, 1, mode="incremental")
    job = shelf.chunked(page, {"a:1": "one"})
    dying = replace(shelf.embedder, publisher=cast(JobPublisher, DyingPublisher()))
    with pytest.raises(KilledError):
        dying.embed_part(job)
    move(shelf, OTHER)
    shelf.finish(job)
    move(shelf, MODEL)
    shelf.run(3, [{"a:1": "one", "a:9": "nine"}])
    assert shelf.live() == checksums({"a:1": "one", "a:9": "nine"})


def test_a_sweep_under_another_model_deletes_nothing_and_moves_no_reader(shelf: Shelf) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    shelf.run(2, [TEXTS])
    move(shelf, MODEL)
    changed = TEXTS | {"a:2": "zwei"}
    for page in shelf.plan(3, 1):
        shelf.finish(shelf.chunked(page, changed))
    move(shelf, OTHER)
    before = shelf.manifest()
    shelf.sweep_all()
    run = shelf.progress(3).run
    assert run.reason is not None
    assert run.reason.startswith("nothing was swept: the model changed after the run had begun")
    assert shelf.manifest() == before


def test_a_source_that_is_empty_by_now_leaves_an_empty_index(shelf: Shelf) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    assert shelf.run(2, [{}]).run.status == "succeeded"
    assert (shelf.manifest().generation, shelf.live()) == (1, {})
    assert not needs_full_run(shelf, OTHER)


def test_a_run_with_a_gap_leaves_readers_where_they_are(shelf: Shelf) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    read, unread = shelf.plan(2, 2)
    shelf.finish(shelf.chunked(read, TEXTS))
    shelf.runs.ledger.end_page(unread, "gap", "503")
    shelf.sweep_all()
    assert shelf.progress(2).run.status == "incomplete"
    assert shelf.manifest().generation is None


def test_a_late_sweep_moves_no_reader_to_an_index_that_was_restored_meanwhile(
    shelf: Shelf,
) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    shelf.run(2, [{"a:1": "one"}], mode="incremental")
    for page in shelf.plan(3, 1):
        shelf.finish(shelf.chunked(page, TEXTS))
    late = shelf.sweeps.pop()  # among the dead-letter messages
    shelf.runs.endings.give_up_sweep(late.run_id, "for a test")
    replace(shelf.restorer, model=OTHER).restore(CORPUS, 1)
    shelf.sweeper.sweep(late)
    run = shelf.progress(3).run
    assert run.status == "incomplete"
    assert (run.reason or "").startswith("2 entities are not indexed under the model other yet")
    assert shelf.manifest().generation is None
    assert shelf.run(4, [TEXTS]).run.status == "succeeded"
    assert (shelf.manifest().generation, shelf.live()) == (1, checksums(TEXTS))


def test_a_rejected_line_keeps_nobody_from_the_new_index(shelf: Shelf) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    assert shelf.run(2, [TEXTS], rejects=1).run.status == "succeeded"
    assert shelf.manifest().generation == 1


def test_a_corpus_goes_back_to_an_index_that_only_has_to_catch_up(shelf: Shelf) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    shelf.run(2, [TEXTS | {"a:2": "zwei"}])
    move(shelf, MODEL)
    progress = shelf.run(3, [TEXTS | {"a:2": "zwei"}])
    assert (progress.vectors, progress.chunks_unchanged) == (1, 1)
    assert shelf.manifest().generation == 2
    assert not needs_full_run(shelf, MODEL)


@pytest.mark.parametrize("is_after", [False, True])
def test_a_completion_that_dies_at_any_write_is_done_by_its_redelivery(
    shelf: Shelf, is_after: bool
) -> None:
    shelf.run(1, [TEXTS])
    move(shelf, OTHER)
    for page in shelf.plan(2, 1):
        shelf.finish(shelf.chunked(page, TEXTS))
    job = shelf.sweeps[0]
    assert shelf.until_it_lives(lambda: shelf.sweeper.sweep(job), is_after=is_after) >= 1
    shelf.sweeper.sweep(job)
    assert shelf.progress(2).run.status == "succeeded"
    assert (shelf.manifest().generation, shelf.manifest().change) == (1, "complete")


def test_a_model_that_is_not_deployed_is_named_before_anything_is_planned(shelf: Shelf) -> None:
    shelf.registry.corpus = shelf.registry.corpus.model_copy(update={"model": "absent"})
    with pytest.raises(SettingsError, match="names the model absent"):
        needs_full_run(shelf, MODEL)
