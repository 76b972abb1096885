"""What must be true of an index, whatever happened: a small model of the source, and the checks."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from services.compactor.live_versions import open_live_catalogs
from shared.canonical.page import derive_page
from shared.canonical.records import RecordContext
from shared.index.search.shard_cache import ShardCache
from shared.index.shard.content import content_checksum
from shared.models.corpus import Corpus
from shared.models.manifest import Manifest
from shared.models.mapping import FieldMapping
from shared.models.run import RunProgress
from shared.models.sources import JsonlSource
from shared.sources.canonicalisers import canonicaliser
from shared.storage.object_store import ObjectStore
from shared.text.chunking import chunk_entity

# A run's number is cut to milliseconds, and its table's clock to seconds.
_MARGIN = timedelta(seconds=2)

CORPUS = Corpus(
    name="books",
    source=JsonlSource(kind="jsonl", prefix="sources/books/"),
    mapping=FieldMapping(entity_type="book"),
)


class ViolationError(AssertionError):
    """Something is lost, counted twice, brought back, or does not end."""


def record_line(entity: str, text: str) -> str:
    """A record of the source."""
    return json.dumps({"id": entity, "title": entity, "text": text})


@cache
def expected_checksum(entity: str, text: str) -> str:
    """What an index that holds this text of an entity says of it."""
    context = RecordContext("records", "20261123T060000Z-00000000", None)
    page = derive_page([record_line(entity, text)], canonicaliser(CORPUS), context)
    return content_checksum(chunk_entity(page.entities[0], "raw/x", CORPUS.chunking))


@dataclass
class SourceHistory:
    """Every text that an entity ever had, and from when on; None: it was deleted."""

    changes: dict[str, list[tuple[datetime, str | None]]] = field(default_factory=dict)

    def note(self, moment: datetime, entity: str, text: str | None) -> None:
        """Note a change of the source."""
        self.changes.setdefault(entity, []).append((moment, text))

    def present(self) -> dict[str, str]:
        """What the source holds now."""
        latest = {entity: changes[-1][1] for entity, changes in self.changes.items()}
        return {entity: text for entity, text in latest.items() if text is not None}

    def unchanged_since(self, moment: datetime) -> Iterator[tuple[str, str | None]]:
        """Yield the entities that did not change after a moment, with their texts."""
        for entity, changes in self.changes.items():
            if changes[-1][0] < moment:
                yield entity, changes[-1][1]


@dataclass(frozen=True, slots=True)
class _Succeeded:
    """A run that succeeded: from when on it read the source, and what it then did."""

    began: datetime
    is_full: bool
    is_swept: bool


@dataclass
class Truth:
    """What somebody who saw everything expects of the index.

    `disturbed_at` is when somebody last changed the index by another way than a run, and
    `disturbing` how many do that now: until a later run succeeds, nothing is expected of it.
    `needs_full_run`: after a shard was marked bad, an incremental run relies on the rebuild.
    `removals` counts the deletions of the whole index;
    `is_removal_cut_off`: the last one is under way, or was not done to its end.
    `model_changed_at` is when another model was last deployed: the index that readers have goes on
    showing what it did, until a run that began later has made the other one complete.
    `ended` are the runs that were looked at before.
    `rebuilt_at` is when the index was last rebuilt after a restore: stored vectors know no restore,
    so it may show a newer text than the source has, until a later run succeeds.
    """

    source: SourceHistory
    disturbed_at: datetime
    needs_full_run: bool = False
    succeeded: dict[str, "_Succeeded"] = field(default_factory=dict)
    disturbing: int = 0
    removals: int = 0
    is_removal_cut_off: bool = False
    rebuilt_at: datetime | None = None
    model_changed_at: datetime | None = None
    ended: frozenset[str] = frozenset()

    def note_ended(
        self, progress: RunProgress, *, was_alone: bool, is_of_model: bool, is_behind: bool
    ) -> None:
        """Look at a run that ended.

        `was_alone`: no newer run had begun when it did. `is_of_model`: it is of the model that is
        deployed now. `is_behind`: readers have the index of another one.

        Raises:
            ViolationError: its counters do not add up, or it does not say what happened.
        """
        run = progress.run
        _require(progress.is_ended, f"run {run.run_id} ended and is {run.status}")
        if run.status in {"succeeded", "incomplete"}:
            _require(
                progress.pages_ended == run.pages_planned,
                f"run {run.run_id} is {run.status} with {progress.pages_ended} of "
                f"{run.pages_planned} pages",
            )
        if run.status != "succeeded":
            _require(bool(run.reason), f"run {run.run_id} is {run.status} and does not say why")
            return
        _require(
            progress.pages_done == run.pages_planned,
            f"run {run.run_id} succeeded with {progress.pages_done} of {run.pages_planned} pages",
        )
        began = datetime.fromtimestamp(run.seq / 1000, self.disturbed_at.tzinfo)
        is_full = run.mode == "full"
        is_first, self.ended = run.run_id not in self.ended, self.ended | {run.run_id}
        if not (was_alone and is_of_model):
            return
        if is_behind:
            is_left_alone = not self.disturbing and began > self.disturbed_at + _MARGIN
            _require(
                run.reason is not None or not (is_first and is_left_alone),
                f"run {run.run_id} succeeded, and readers have the index of another model",
            )
            return
        found = _Succeeded(began, is_full, is_full and run.reason is None)
        self.succeeded.setdefault(run.run_id, found)

    def disturb(self, moment: datetime, *, needs_full_run: bool) -> None:
        """Expect nothing of the index until a run succeeds that begins after this."""
        self.disturbed_at = moment
        self.needs_full_run = needs_full_run
        self.succeeded.clear()

    def check(self, shown: dict[str, str]) -> None:
        """Compare what the index shows of each entity with what the last runs must have left.

        Raises:
            ViolationError: an entity is missing, older than it was, or back.
        """
        if self.disturbing:
            return
        runs = [
            run
            for run in self.succeeded.values()
            if run.began > self.disturbed_at + _MARGIN and (run.is_full or not self.needs_full_run)
        ]
        latest = max((run.began for run in runs), default=None)
        if latest is not None and (self.rebuilt_at is None or latest > self.rebuilt_at + _MARGIN):
            self._check_present(shown, latest)
        swept = [run.began for run in runs if run.is_swept]
        if swept:
            self._check_deleted(shown, max(swept))

    def check_handed_over(self, before: dict[str, str], after: dict[str, str]) -> None:
        """Compare what readers see under another model with what they saw until then.

        Raises:
            ViolationError: an entity is missing that the source has had all the while.
        """
        if self.disturbing or self.model_changed_at is None:
            return
        if self.disturbed_at >= self.model_changed_at:
            return
        for entity, text in self.source.unchanged_since(self.model_changed_at - _MARGIN):
            key = f"book:{entity}"
            if text is not None and key in before:
                _require(key in after, f"{entity} is lost: the other model's index has it not")

    def _check_present(self, shown: dict[str, str], since: datetime) -> None:
        for entity, text in self.source.unchanged_since(since - _MARGIN):
            if text is not None:
                found = shown.get(f"book:{entity}")
                _require(found is not None, f"{entity} is lost: the index does not show it")
                _require(
                    found == expected_checksum(entity, text),
                    f"{entity} is not shown with its newest text {text!r}",
                )

    def _check_deleted(self, shown: dict[str, str], since: datetime) -> None:
        for entity, text in self.source.unchanged_since(since - _MARGIN):
            if text is None:
                _require(f"book:{entity}" not in shown, f"{entity} was deleted, and is live again")


def shown_by(manifest: Manifest, store: ObjectStore, directory: Path) -> dict[str, str]:
    """Return the checksum of what an index shows of each entity."""
    catalogs = open_live_catalogs(manifest.shards, ShardCache(store, directory))
    shown: dict[str, str] = {}
    for found in catalogs:
        versions = found.catalog.versions()
        for (key, version), is_shown in zip(versions.items(), found.with_content, strict=True):
            if is_shown:
                _require(key not in shown, f"{key} is live in two shards")
                shown[key] = version.checksum
    return shown


def check_counts(progress: RunProgress, outcomes: Mapping[str, int]) -> None:
    """Compare the counters of a run with the outcomes of its pages, and with one another.

    Each record here is an entity or is rejected, and each entity has one chunk.

    Raises:
        ViolationError: something was counted twice or not at all.
    """
    run = progress.run
    counted = {
        "done": progress.pages_done - progress.pages_unchanged,
        "unchanged": progress.pages_unchanged,
        "gap": progress.pages_gap,
        "failed": progress.pages_failed,
        "cancelled": progress.pages_cancelled,
    }
    for name, count in counted.items():
        _require(
            count == outcomes.get(name, 0),
            f"run {run.run_id} counts {count} pages {name}, and has {outcomes.get(name, 0)}",
        )
    # A page that was unchanged may have changed when its message came a second time.
    is_exact = not (progress.parts_outdated or progress.pages_unchanged)
    if run.status == "succeeded" and is_exact:
        found = {
            progress.raw_records - progress.rejects, progress.entities, progress.chunks,
            progress.vectors + progress.chunks_unchanged,
        }  # fmt: skip
        _require(len(found) == 1, f"run {run.run_id} counts what went through it as {found}")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ViolationError(sentence)
