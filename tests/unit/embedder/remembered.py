"""What the embedder stands on, in memory: versions, runs, and a queue whose workers die."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.embedding.encoder import Vectors
from shared.embedding.model_files import model_prefix
from shared.models.entity import EntityVersion
from shared.models.jobs import EmbedJob, IndexJob
from shared.models.manifest import ModelIdentity
from shared.models.run import RunRecord

MODEL = ModelIdentity(id="tiny", revision="1", dims=3)
Order = tuple[int, str]
Hook = Callable[[], None]


class WorkerDiedError(Exception):
    """The worker was killed at this line."""


@dataclass
class RememberedVersions:
    """The rules of `EntityVersions`, one call at a time; `step` runs before and after each."""

    step: Hook = lambda: None
    held: dict[str, EntityVersion] = field(default_factory=dict)
    seen: dict[str, Order] = field(default_factory=dict)

    def read(self, _: str, __: ModelIdentity, keys: Iterable[str]) -> dict[str, EntityVersion]:
        self.step()
        found = {key: self.held[key] for key in keys if key in self.held}
        self.step()
        return found

    def begin(self, _: str, __: ModelIdentity, versions: Mapping[str, EntityVersion]) -> set[str]:
        self.step()
        refused = set()
        for key, version in versions.items():
            if self.seen.get(key, (-1, "")) > version.order:
                refused.add(key)
            else:
                self.held[key], self.seen[key] = version, version.order
        self.step()
        return refused

    def confirm(
        self, _: str, __: ModelIdentity, versions: Mapping[str, EntityVersion], seen_by: Order
    ) -> set[str]:
        self.step()
        refused = set()
        for key, version in versions.items():
            if self.held.get(key) != version or self.seen[key] > seen_by:
                refused.add(key)
            else:
                self.seen[key] = seen_by
        self.step()
        return refused


@dataclass
class RememberedRuns:
    """The marks of parts, and the counts of those that were marked for the first time."""

    step: Hook = lambda: None
    marks: set[tuple[str, str]] = field(default_factory=set)
    counts: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def record(self, run_id: str) -> RunRecord:
        seq = int(run_id.rpartition("-")[2], 16)
        return RunRecord(
            run_id=run_id, corpus="shelf", mode="full", status="running", seq=seq, started_at="now",
            model_prefix=model_prefix(MODEL),
        )  # fmt: skip

    def indexed_origins(self, origins: Iterable[str]) -> set[str]:
        self.step()
        return {origin for origin in origins if ("indexer", origin) in self.marks}

    def record_stage(
        self, job: EmbedJob, stage: str, counts: Mapping[str, int], *, part: int, parts: int
    ) -> bool:
        assert part < parts
        return self.mark(job, [stage], counts)

    def record_part_without_shard(
        self, job: EmbedJob, counts: Mapping[str, int], *, part: int, parts: int
    ) -> bool:
        assert part < parts
        return self.mark(job, ["embedder", "indexer"], counts)

    def note_superseded_part(self, job: EmbedJob, *, part: int) -> None:
        self.step()
        self.marks.add(("superseded", f"{job.run_id}/{job.page_id}/{part}"))
        self.step()

    def record_outdated_part(self, job: EmbedJob, *, part: int, parts: int) -> bool:
        assert part < parts
        return self.mark(job, ["outdated", "embedder"], {})

    def mark(
        self, job: EmbedJob | IndexJob, stages: Sequence[str], counts: Mapping[str, int]
    ) -> bool:
        self.step()
        origin = f"{job.run_id}/{job.page_id}/{job.part}"
        is_first = (stages[0], origin) not in self.marks
        if is_first:
            self.marks |= {(stage, origin) for stage in stages}
            if stages[0] == "embedder":
                self.counts[origin] = counts
        self.step()
        return is_first


@dataclass
class RememberedFloor:
    """The floor of the one corpus."""

    seq: int = 0

    def read(self, _: str) -> int:
        return self.seq


@dataclass
class CountingEncoder:
    """Gives every text the same vector, and counts the texts."""

    texts: int = 0
    identity: ModelIdentity = MODEL

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return np.tile(np.array([1.0, 0.0, 0.0], np.float32), (len(texts), 1))

    def encode_query(self, text: str) -> Vectors:
        raise NotImplementedError(text)


@dataclass
class RememberedModel:
    """The one model; `encoder` loads it."""

    encoder: Callable[[], CountingEncoder]

    def identity(self) -> ModelIdentity:
        return MODEL


@dataclass
class RememberedQueue:
    """Keeps what is published."""

    step: Hook = lambda: None
    jobs: list[IndexJob] = field(default_factory=list)

    def publish(self, jobs: Iterable[IndexJob]) -> None:
        self.step()
        self.jobs += jobs
        self.step()
