"""A model of an index: what each of its versions must answer, said by a plain dictionary.

Tasks change the index with the real code, through a store that fails, loses answers, or lets
another task happen in between. Whenever a manifest is written, the model says what the new version
holds: the effect of that task on what the version before held.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np

from shared.errors import ConflictError, NotFoundError
from shared.index.maintenance.garbage import GarbagePolicy, collect_garbage
from shared.index.maintenance.merging import Merger
from shared.index.manifest.manifest_store import CommitRetry, ManifestCache, ManifestStore
from shared.index.search.searcher import Searcher, SearchQuery
from shared.index.search.shard_cache import ShardCache
from shared.index.search.snapshot import SnapshotSource
from shared.index.shard.shard_writer import ShardSource, collect_content, write_shard
from shared.models.chunk import Chunk, CoveredEntity
from shared.models.manifest import ModelIdentity, ShardDescriptor
from shared.storage.keys import manifest_key
from shared.storage.memory import MemoryObjectStore
from shared.storage.object_store import ObjectStore
from tests.unit.index.failing_store import Call, HookedStore, Moment, StoreDownError, failing
from tests.unit.index.index_builders import POOL, chunk, unit_vectors
from tests.unit.index.manifest_builders import Calendar, no_floor

CORPUS = "tests"
MODEL = ModelIdentity(id="random", revision="1", dims=4)
POLICY = GarbagePolicy()
RETRY = CommitRetry(attempts=5, sleep=lambda _: None)
ENTITIES = ("t:1", "t:2", "t:3", "t:4")
WORD = "word"  # stands in every text
_DAY_MS = 24 * 3600 * 1000
_PROVED_AFTER_DAYS = 7  # from then on the indexer commits no job whose files it has not seen
_FORGOTTEN_AFTER_DAYS = 20  # from then on a merge may forget that an entity was deleted

TaskName = Literal["ingest", "redeliver", "merge", "collect", "restore"]
Version = tuple[int, str, frozenset[str]]  # seq, origin, texts: tuples compare as versions do
State = Mapping[str, Version]


def joined(state: State, news: State) -> State:
    """The newer version of each entity."""
    both = dict(state)
    for key, version in news.items():
        if key not in both or version[:2] > both[key][:2]:
            both[key] = version
    return both


@dataclass(frozen=True)
class Part:
    """A shard that an embedder wrote, whether or not it was ever committed."""

    shard: ShardDescriptor
    seq: int
    content: State


@dataclass(frozen=True)
class Trouble:
    """What befalls a task at one of its calls: a failure, or another task, done in between."""

    number: int
    moment: Moment | None = None
    task: TaskName | None = None
    pick: int = 0


@dataclass
class Task:
    """One task: what it does to the store, and what its version, if it makes one, holds."""

    name: TaskName
    work: Callable[[ObjectStore], None]
    effect: Callable[[State], State] = lambda state: state
    must_hold: Callable[[State], bool] = lambda _: True
    commits: int = 0


def restored(own: ManifestStore, version: int) -> None:
    """Restore a version over the present one, whichever that is by then."""
    for _ in range(RETRY.attempts):
        try:
            over = own.read()
        except NotFoundError:
            over = None
        if own.restore(version, over=over) is not None:
            return
    raise ConflictError("others committed in between every time")


@dataclass
class ModelledIndex:
    """The real index in memory, and beside it what it must be."""

    folder: Path
    calendar: Calendar = field(default_factory=Calendar)
    parts: list[Part] = field(default_factory=list)
    states: dict[int, State] = field(default_factory=lambda: {0: {}})
    latest: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryObjectStore(self.calendar)
        self.own = self.manifests(self.store)
        self._last_seq = 0
        self._folders = 0

    def manifests(self, store: ObjectStore) -> ManifestStore:
        return ManifestStore(store, CORPUS, MODEL, RETRY, self.calendar)

    # Tasks

    def task(self, name: TaskName, pick: int) -> Task:
        """A task, its details chosen by a number."""
        chance = Random(pick)
        makers: dict[TaskName, Callable[[Random], Task]] = {
            "ingest": self._ingest,
            "redeliver": self._redeliver,
            "merge": self._merge,
            "collect": self._collect,
            "restore": self._restore,
        }
        return makers[name](chance)

    def _ingest(self, chance: Random) -> Task:
        """Embedders write one or two shards; an indexer commits them, one of them twice."""
        plans = [self._plan_part(chance) for _ in range(chance.choice((1, 1, 2)))]
        content: State = {}
        for _, planned, _ in plans:
            content = joined(content, planned)

        def work(store: ObjectStore) -> None:
            shards = []
            for source, planned, lines in plans:
                collected = collect_content(lines, origin=source.origin, seq=source.seq)
                vectors = unit_vectors(len(collected.chunks), source.seq % 1000, MODEL.dims)
                shards.append(write_shard(store, source, collected, vectors))
                self.parts.append(Part(shards[-1], source.seq, planned))
            self.manifests(store).commit([*shards, shards[0]], floor=no_floor)

        return self._adding("ingest", work, content)

    def _plan_part(self, chance: Random) -> tuple[ShardSource, State, list[Chunk | CoveredEntity]]:
        seq = self._sequence(chance)
        # The same page of the same run is never made with other content; pages are numbered.
        origin = f"{seq}/p-{chance.randrange(10)}/{len(self.parts)}-{self._number()}"
        lines: list[Chunk | CoveredEntity] = []
        content: dict[str, Version] = {}
        for key in chance.sample(ENTITIES, chance.choice((1, 2))):
            lines.append(CoveredEntity(entity_key=key))
            texts = [f"{WORD} {key} {origin} {n}" for n in range(chance.choice((0, 1, 1, 2)))]
            lines += [chunk(key, n + 1, text) for n, text in enumerate(texts)]
            content[key] = (seq, origin, frozenset(texts))
        return ShardSource(CORPUS, MODEL, origin, seq), content, lines

    def _sequence(self, chance: Random) -> int:
        """A run that begins now, or one of the last week whose pages are late."""
        now = int(self.calendar.now.timestamp() * 1000)
        recent = sorted({part.seq for part in self.parts if now - part.seq < 6 * _DAY_MS})
        if recent and chance.random() < 0.5:
            return chance.choice(recent)
        self._last_seq = max(now, self._last_seq + 1)
        return self._last_seq

    def _number(self) -> int:
        self._folders += 1
        return self._folders

    def _redeliver(self, chance: Random) -> Task:
        """Messages come again, or come late: also those whose first commit failed."""
        now = int(self.calendar.now.timestamp() * 1000)
        able = [part for part in self.parts if self._may_come(part, now)]
        parts = chance.sample(able, min(len(able), 2))
        content: State = {}
        for part in parts:
            content = joined(content, part.content)

        def work(store: ObjectStore) -> None:
            for part in parts:
                if now - part.seq > _PROVED_AFTER_DAYS * _DAY_MS and not all(
                    store.exists(file.key) for file in part.shard.files
                ):
                    raise NotFoundError("the part must be embedded again")
            self.manifests(store).commit([part.shard for part in parts], floor=no_floor)

        return self._adding("redeliver", work, content)

    def _may_come(self, part: Part, now: int) -> bool:
        if now - part.seq < _FORGOTTEN_AFTER_DAYS * _DAY_MS:
            return True
        state = self.states[self.latest]
        return all(state.get(key, (0, "", {""}))[2] for key in part.content)

    def _adding(self, name: TaskName, work: Callable[[ObjectStore], None], content: State) -> Task:
        return Task(
            name,
            work,
            effect=lambda state: joined(state, content),
            must_hold=lambda state: joined(state, content) == state,
        )

    def _merge(self, chance: Random) -> Task:
        wanted = chance.choice((1, 2, 3))

        def work(store: ObjectStore) -> None:
            manifests = self.manifests(store)
            manifest = manifests.read().manifest
            ids = [shard.shard_id for shard in manifest.shards]
            if not ids:
                return
            group = chance.sample(ids, min(wanted, len(ids)))
            folder = self.folder / f"merge-{self._number()}"
            merger = Merger(store, folder, now=self.calendar)
            merged = merger.merge(manifest, group)
            manifests.replace(
                group, [merged] if merged else [], "compact", made_from=manifest.version
            )

        return Task("merge", work)

    def _collect(self, chance: Random) -> Task:
        def work(store: ObjectStore) -> None:
            collect_garbage(store, CORPUS, MODEL, POLICY, self.calendar.now)

        return Task("collect", work)

    def _restore(self, chance: Random) -> Task:
        versions = sorted(self.states)[1:] or [1]
        version = chance.choice(versions[-5:])
        held = self.states.get(version, {})
        return Task(
            "restore",
            lambda store: restored(self.manifests(store), version),
            effect=lambda _: held,
            must_hold=lambda state: state == held,
        )

    # Doing them

    def do(self, name: TaskName, pick: int, trouble: Trouble | None) -> None:
        """Do a task, whatever befalls it, and check what it left."""
        task = self.task(name, pick)
        seen = [self.latest]
        try:
            task.work(self._watched(task, self._troubled(task, trouble)))
        except StoreDownError:
            assert trouble is not None and trouble.moment is not None
        except ConflictError:
            assert trouble is not None
        except NotFoundError:
            assert name in {"merge", "restore", "redeliver"}
        else:
            seen.append(self.latest)
            assert task.commits or any(task.must_hold(self.states[version]) for version in seen)
        assert task.commits <= 1
        self.check()

    def _troubled(self, task: Task, trouble: Trouble | None) -> HookedStore:
        if trouble is None:
            return HookedStore(self.store)
        if trouble.moment is not None:
            return failing(self.store, trouble.number, trouble.moment)
        hooked = HookedStore(self.store)

        def in_between(call: Call) -> None:
            if call.number == trouble.number and trouble.task is not None:
                other = self.task(trouble.task, trouble.pick)
                if _may_meet(task, other, hooked.calls):
                    with contextlib.suppress(ConflictError, NotFoundError):
                        other.work(self._watched(other, HookedStore(self.store)))
                    assert other.commits <= 1

        hooked.before = in_between
        return hooked

    def _watched(self, task: Task, inner: HookedStore) -> HookedStore:
        """Notes every version as it is written, before any answer of it can be lost."""
        hooked_after = inner.after

        def after(call: Call) -> None:
            if call.name == "put" and call.key == manifest_key(CORPUS, MODEL):
                self._note(task)
            hooked_after(call)

        inner.after = after
        return inner

    def _note(self, task: Task) -> None:
        version = self.own.read().manifest.version
        assert version > self.latest, "versions only grow"
        self.states[version] = task.effect(self.states[self.latest])
        self.latest = version
        task.commits += 1

    # What must be true

    def check(self) -> None:
        """Nothing that a version says is gone, and no version is missing that may be asked for."""
        if self.latest == 0:
            return
        versions = list(self.own.versions())
        assert versions[0].version == self.latest
        if self.latest > 1:
            assert versions[1].version == self.latest - 1, "the version before can be restored"
        keys = {item.key: item.size_bytes for item in self.store.list("")}
        for manifest in versions:
            assert manifest.version in self.states
            for shard in manifest.shards:
                for file in shard.files:
                    assert keys.get(file.key) == file.size_bytes, f"{manifest.version}: {file.key}"

    def searcher(self, store: ObjectStore) -> Searcher:
        cache = ManifestCache(self.manifests(store), recheck_seconds=0.0)
        files = ShardCache(store, self.folder / "cache")
        return Searcher(SnapshotSource(cache, files, POOL, retry_seconds=0.0), POOL)

    def read(self, searcher: Searcher) -> int:
        """Check all that a reader finds against the version that it says; returns that."""
        snapshot = searcher.refresh().snapshot
        version = snapshot.manifest.version
        expected = sorted(
            (f"{key}-{n + 1:03d}", text)
            for key, (_, _, texts) in self.states[version].items()
            for n, text in enumerate(sorted(texts))
        )
        vector = np.zeros(MODEL.dims, dtype=np.float32)
        vector[0] = 1.0
        for mode in ("lexical", "dense"):
            query = SearchQuery(text=WORD, vector=vector, k=50, by_entity=False, mode=mode)
            hits = searcher.search(query, snapshot).hits
            assert sorted((hit.chunk.chunk_id, hit.chunk.text) for hit in hits) == expected
        return version

    def check_that_garbage_goes(self) -> None:
        """In the end nothing remains but what can be reached."""
        for days in (30, 2, 30):
            self.calendar.advance(days=days)
            self.do("collect", 0, None)
        versions = list(self.own.versions())
        assert len(versions) <= 2
        reachable = {f.key for m in versions for shard in m.shards for f in shard.files}
        stored = {item.key for item in self.store.list("") if "/shards/" in item.key}
        assert stored == reachable or self.latest == 0


def _may_meet(task: Task, other: Task, calls: list[Call]) -> bool:
    """Whether two tasks are kept apart by nothing but luck.

    A job may commit the files of an old run while a collection runs, but not between the
    collection's last look at the manifest and its deletions: by then no queue holds its message.
    """
    names = {task.name, other.name}
    if names != {"collect", "redeliver"}:
        return True
    looks = [call for call in calls if call.key == manifest_key(CORPUS, MODEL)]
    return task.name == "collect" and len(looks) < 2


def void(_: object) -> None:
    """Drop an answer."""
