"""Runs a corpus to its end with the real handlers, by hand, and says what came out."""

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.models.entity import Entity
from shared.models.run import ProblemPage, RunProgress
from shared.storage import jsonl
from tests.integration.sources.pipeline import Event, Pipeline

_MOST_ROUNDS = 60


class Clock:
    """The time that retries, limits and runs go by: it moves when somebody waits."""

    def __init__(self) -> None:
        self._start = datetime.now(UTC)
        self._passed_seconds = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed_seconds)

    def monotonic(self) -> float:
        return self._passed_seconds

    def sleep(self, seconds: float) -> None:
        self._passed_seconds += seconds


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    `entities` counts how often each entity was written; `gaps` are the pages that were given up.
    """

    progress: RunProgress
    entities: Counter[str]
    gaps: list[ProblemPage]

    @property
    def run_id(self) -> str:
        return self.progress.run.run_id

    def assert_adds_up(self) -> None:
        """Every page has an outcome, and the counters say what is really there."""
        progress = self.progress
        assert progress.run.pages_planned == progress.pages_ended
        assert progress.pages_failed == progress.pages_cancelled == 0
        assert progress.pages_gap == len(self.gaps)
        assert progress.entities == self.entities.total()
        assert progress.run.status == ("incomplete" if self.gaps else "succeeded")


class Driver:
    """Delivers what is in the queues until nothing is, each message `copies` times."""

    def __init__(self, pipeline: Pipeline, clock: Clock, copies: int = 1) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._copies = copies

    def twice(self) -> "Driver":
        """A driver that delivers every message twice."""
        return Driver(self._pipeline, self._clock, copies=2)

    def run(self, corpus: str, mode: str = "full") -> Outcome:
        """Start a run, and see it through."""
        return self.go_on(corpus, self.start(corpus, mode))

    def start(self, corpus: str, mode: str = "full") -> str:
        """Plan a run, and return its id."""
        answer = self._pipeline.ingest(corpus, uuid.uuid4().hex, mode=mode)
        assert answer["status"] in {"running", "succeeded"}, answer
        return str(answer["run_id"])

    def retry_gaps(self, corpus: str, run_id: str) -> Outcome:
        """Try the gaps of a run again, and see it through."""
        self._pipeline.steer("retry_gaps", run_id)
        return self.go_on(corpus, run_id)

    def go_on(self, corpus: str, run_id: str) -> Outcome:
        """See a run through."""
        self._deliver_pages()
        assert self._pipeline.derive(self._copied(self._pipeline.take("derive"))) == []
        self._pipeline.finish()
        return self.outcome(corpus, run_id)

    def outcome(self, corpus: str, run_id: str) -> Outcome:
        """Read what a run has left so far."""
        progress = self._pipeline.runs.reader.get_run(run_id)
        return Outcome(
            progress, self._entities(corpus, run_id), self._pipeline.runs.reader.gaps(run_id)
        )

    def _deliver_pages(self) -> None:
        waiting: list[Event] = []
        for _ in range(_MOST_ROUNDS):
            waiting += self._copied(self._pipeline.take("page"))["Records"]
            if not waiting:
                return
            failures = self._pipeline.fetch({"Records": waiting})
            failed = {failure["itemIdentifier"] for failure in failures}
            waiting = [record for record in waiting if record["messageId"] in failed]
            if waiting:
                self._clock.sleep(60)  # what was given back comes again a minute later
        raise AssertionError(f"the run still has pages after {_MOST_ROUNDS} rounds")

    def _copied(self, event: Event) -> Event:
        return {"Records": [record for record in event["Records"] for _ in range(self._copies)]}

    def _entities(self, corpus: str, run_id: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for listed in self._pipeline.store.list(f"derived/{corpus}/"):
            if "/entities-" not in listed.key or run_id not in listed.key:
                continue
            data = self._pipeline.store.get(listed.key).data
            for line in jsonl.decode_lines(data, listed.key):
                found[Entity.model_validate_json(line).key] += 1
        return found
