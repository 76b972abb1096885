"""Simulate the line from seeds, and shrink what fails.

python -m tests.simulation.simulate [--seeds N] [--first N] [--processes N]
python -m tests.simulation.simulate --seed N        # one, with all that happened
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")
os.environ.setdefault("LOG_LEVEL", "CRITICAL")

from shared.embedding.model_files import model_prefix
from shared.models.manifest import Manifest
from shared.runs.run_reader import RunReader
from shared.storage.s3 import S3ObjectStore
from tests.simulation import seams
from tests.simulation.containers import BUCKET, PARAMETERS, TABLE
from tests.simulation.faults import FaultKind
from tests.simulation.operator import Operator
from tests.simulation.scenario import Operation, Scenario
from tests.simulation.shrink import shrink
from tests.simulation.truth import CORPUS, ViolationError, check_counts, shown_by
from tests.simulation.world import START, World, document

_MOST_TURNS = 60_000
_LONGEST = timedelta(days=60)
_LONGEST_SETTLING = timedelta(hours=12)
# DynamoDB deletes what has expired some time later, within days.
_EXPIRY_SHARE = 0.3


@dataclass
class Outcome:
    """What became of one simulation; `violation` is None when everything held."""

    scenario: Scenario
    effects: int
    injected: Mapping[FaultKind, int]
    violation: str | None = None
    log: list[str] = field(default_factory=list)


def simulate(scenario: Scenario) -> Outcome:
    """Do what a scenario says, and check what must hold."""
    with (
        _without_garbage_collection(),
        tempfile.TemporaryDirectory(dir=_memory_folder(), prefix="simulation-") as folder,
    ):
        world = World(scenario, Path(folder))
        violation = None
        with seams.under(world.scheduler, world.random, world.wall, world.is_disk_full):
            try:
                _Simulation(world).run()
            except ViolationError as error:
                violation = str(error)
            except Exception as error:  # noqa: BLE001 - whatever ends a simulation is its finding
                violation = f"{type(error).__name__}: {error}"
                world.log += traceback.format_exception(error)
        return Outcome(
            scenario, world.faults.effects, dict(world.faults.injected), violation, world.log
        )


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Collect no garbage within the block, but that of the simulation before it first."""
    _freeze_what_is_loaded()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@cache
def _freeze_what_is_loaded() -> None:
    """Let no collection look at modules: that took a fifth of the time of a simulation."""
    gc.collect()
    gc.freeze()


class _Simulation:
    def __init__(self, world: World) -> None:
        self._world = world
        self._operator = Operator(world)
        self._reader = RunReader(world.aws.dynamodb, TABLE)  # type: ignore[arg-type]
        self._store = S3ObjectStore(world.aws.s3, BUCKET)  # type: ignore[arg-type]
        self._ended: set[str] = set()
        self._turns = 0
        self._last: tuple[Manifest, dict[str, str]] | None = None
        self._read = Path(world.container().directory, "read")

    def run(self) -> None:
        world = self._world
        world.aws.ssm.put_parameter(
            Name=f"{PARAMETERS}/{CORPUS.name}",
            Value=document(),
            Type="String",
            Tags=[{"Key": "ManagedBy", "Value": "ultron"}],
        )
        for operation in world.scenario.operations:
            self._until(operation)
            if world.random.random() < _EXPIRY_SHARE:
                world.aws.dynamodb.expire(world.now())
            self._operator.do(operation)
            if operation.kind == "settle":
                self._settle()
        self._come_to_rest()
        self._make_equal()

    def _until(self, operation: Operation) -> None:
        """Let things happen until it is time for an operation."""
        world = self._world
        moment = START + timedelta(seconds=operation.at_seconds)
        while world.now() < moment:
            if self._turn():
                continue
            following = world.next_event()
            world.scheduler.advance_to(moment if following is None else min(moment, following))

    def _settle(self) -> None:
        """Let things happen until nothing is left to do, or for half a day."""
        world = self._world
        ends_at = world.now() + _LONGEST_SETTLING
        while world.now() < ends_at:
            if self._turn():
                continue
            following = world.next_event() or world.failures_end_at
            if following is None:
                return
            world.scheduler.advance_to(min(following, ends_at))

    def _come_to_rest(self) -> None:
        """No more faults: every message is done or given up, and every worker ends."""
        self._world.faults.is_off = True
        self._world.scheduler.stop_stalls()
        self._finish_all_work()
        while self._operator.send_given_up_requests_again():
            self._finish_all_work()
        self._check_runs()
        self._check_index()
        self._check_rest()

    def _finish_all_work(self) -> None:
        world = self._world
        ends_at = world.now() + _LONGEST
        while not world.is_at_rest():
            if self._turn():
                continue
            following = world.next_event()
            if following is None or following > ends_at:
                raise ViolationError("the line does not come to rest")
            world.scheduler.advance_to(following)

    def _check_rest(self) -> None:
        """No run waits for work of which no message is left, not even a dead-letter message.

        But for one whose cancelling was cut off every time: its work was dropped, and whoever
        cancelled it is told to do so again.
        """
        messages = "".join(self._world.dead_letters())
        for progress in self._reader.list_runs(CORPUS.name):
            run_id = progress.run.run_id
            if progress.run.cancel_requested is not None or run_id in messages:
                continue
            if self._reader.last_progress(run_id) is not None:
                raise ViolationError(f"run {run_id} waits, though no message is left")

    def _make_equal(self) -> None:
        """One more full run makes index and source equal, and leaves nothing behind."""
        world = self._world
        if world.truth.is_removal_cut_off:
            world.scheduler.advance_to(world.now() + timedelta(hours=1))
            self._operator.remove_again()
            self._come_to_rest()
        self._operator.add()
        self._operator.repair_source()
        self._come_to_rest()
        for _ in range(3):
            before = {run.run.run_id for run in self._reader.list_runs(CORPUS.name)}
            self._operator.start_run("full")
            self._come_to_rest()
            if {run.run.run_id for run in self._reader.list_runs(CORPUS.name)} - before:
                break
            world.scheduler.advance_to(world.now() + timedelta(hours=7))
        else:
            raise ViolationError("no run can begin any more")
        self._check_runs()
        last = self._reader.list_runs(CORPUS.name, 1)[0]
        if last.run.status != "succeeded":
            raise ViolationError(f"the last full run is {last.run.status}: {last.run.reason}")
        self._check_index()
        expected = {f"book:{entity}" for entity in world.truth.source.present()}
        if (shown := set(self._shown())) != expected:
            raise ViolationError(f"at last the index shows {shown}, and the source has {expected}")
        lease = world.aws.dynamodb.get_item(
            TableName=TABLE, Key={"PK": {"S": f"CORPUS#{CORPUS.name}"}, "SK": {"S": "LEASE"}}
        )
        if "Item" in lease:
            raise ViolationError(f"the lease stays: {lease['Item']}")

    def _turn(self) -> bool:
        self._turns += 1
        if self._turns > _MOST_TURNS:
            raise ViolationError(f"the line is not at rest after {_MOST_TURNS} turns")
        happened = self._world.turn()
        if self._world.has_news:
            self._world.has_news = False
            self._check_runs()
            self._check_index()
        return happened

    def _check_runs(self) -> None:
        newer_began: str | None = None
        served = self._world.served()
        is_behind = served is not None and served.model != self._world.model
        for progress in self._reader.list_runs(CORPUS.name):
            run = progress.run
            if progress.is_ended:
                # Beside a newer run, entities may be left to that one, which is not done yet.
                was_alone = newer_began is None or (run.ended_at or "") < newer_began
                self._world.truth.note_ended(
                    progress,
                    was_alone=was_alone,
                    is_of_model=run.is_of_model(model_prefix(self._world.model)),
                    is_behind=is_behind,
                )
                pages = self._reader.pages(run.run_id)
                check_counts(progress, Counter(str(page.get("outcome")) for page in pages))
                if run.run_id not in self._ended:
                    self._ended.add(run.run_id)
                    self._world.note(f"run {run.run_id} {run.status}: {run.reason}")
            newer_began = run.started_at

    def _check_index(self) -> None:
        self._world.truth.check(self._shown())

    def _shown(self) -> dict[str, str]:
        manifest = self._world.served()
        if manifest is None:
            return {}
        if self._last is None or self._last[0] is not manifest:
            before, shown = self._last, shown_by(manifest, self._store, self._read)
            self._last = manifest, shown
            if before is not None and self._is_handed_over(before[0], manifest):
                self._world.truth.check_handed_over(before[1], shown)
        return self._last[1]

    def _is_handed_over(self, before: Manifest, after: Manifest) -> bool:
        """Whether readers moved from one model to another, and not from an index that is gone."""
        return before.model != after.model and self._world.index(before.model) is not None


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def shrunk(outcome: Outcome) -> Outcome:
    """Return the smallest scenario found that fails with the same kind of sentence."""
    kind = _kind(outcome.violation)
    found = shrink(outcome.scenario, lambda one: _kind(simulate(one).violation) == kind)
    return simulate(found)


def _kind(violation: str | None) -> str | None:
    """A violation without its numbers and names."""
    if violation is None:
        return None
    return " ".join(word for word in violation.split() if word.isalpha())


def simulate_seed(seed: int) -> Outcome:
    """Simulate what is drawn from a seed."""
    outcome = simulate(Scenario.draw(seed))
    return outcome if outcome.violation else replace(outcome, log=[])


@contextmanager
def simulated(seeds: Sequence[int], processes: int) -> Iterator[Iterator[Outcome]]:
    """Simulate many on so many processors; what is not asked for when the block ends is left."""
    if processes == 1:
        yield map(simulate_seed, seeds)
        return
    pool = ProcessPoolExecutor(processes)
    try:
        yield pool.map(simulate_seed, seeds, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.simulate")
    parser.add_argument("--seeds", type=int, default=2000, help="how many; default %(default)s")
    parser.add_argument("--first", type=int, default=0, help="the first; default %(default)s")
    parser.add_argument("--seed", type=int, help="this one only, with all that happens")
    parser.add_argument("--scenario", type=Path, help="a scenario that was printed")
    parser.add_argument("--stop-at-first", action="store_true", help="of the seeds that fail")
    parser.add_argument("--no-shrink", action="store_true", help="say only which seeds fail")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    if options.scenario is not None:
        return _show(simulate(Scenario.from_dict(json.loads(options.scenario.read_text()))))
    if options.seed is not None:
        return _show(simulate(Scenario.draw(options.seed)))
    return _simulate_many(options)


def _simulate_many(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    injected: Counter[str] = Counter()
    effects = 0
    failed: list[Outcome] = []
    seeds = range(options.first, options.first + options.seeds)
    with simulated(seeds, options.processes) as outcomes:
        for outcome in outcomes:
            injected.update(outcome.injected)
            effects += outcome.effects
            if outcome.violation is not None:
                print(f"seed {outcome.scenario.seed} fails: {outcome.violation}", flush=True)
                failed.append(outcome)
                if options.stop_at_first:
                    break
    for outcome in [] if options.no_shrink else failed[:1]:
        print("shrinking the first", flush=True)
        _show(shrunk(outcome))
    if failed:
        return 1
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(injected.items()))
    seconds = time.monotonic() - begun
    print(f"{len(seeds)} seeds hold: {effects} effects, {sum(injected.values())} faults ({kinds})")
    print(f"{seconds:.0f} s, {1000 * seconds / max(len(seeds), 1):.0f} ms a seed")
    return 0


def _show(outcome: Outcome) -> int:
    print("\n".join(outcome.log))
    print(json.dumps(outcome.scenario.to_dict()))
    if outcome.violation is None:
        print(f"everything holds after {outcome.effects} effects")
        return 0
    print(f"VIOLATION: {outcome.violation}")
    return 1


def _begin_again_with_known_hashes() -> None:
    """Start Python again without its random hashes: the order of a set must be the seed's too."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "tests.simulation.simulate", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})


if __name__ == "__main__":
    _begin_again_with_known_hashes()
    sys.exit(main())
