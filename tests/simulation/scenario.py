"""What one simulation does: drawn from a seed, and small enough to be printed and shrunk."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Literal

from tests.simulation.faults import Fault, draw_faults

OperationKind = Literal[
    "write", "revert", "delete", "spoil", "run_full", "run_incremental", "cancel", "retry_gaps",
    "resume", "redrive", "drop", "restore", "rebuild", "mark_bad", "maintain", "remove",
    "remove_index", "add", "read", "pause_stage", "break_stage", "fill_disk", "settle",
    "change_model",
]  # fmt: skip

_WEIGHTS: dict[OperationKind, int] = {
    "write": 6, "revert": 4, "delete": 5, "spoil": 1, "run_full": 6, "run_incremental": 5,
    "cancel": 2, "retry_gaps": 1, "resume": 1, "redrive": 3, "drop": 1, "restore": 2, "rebuild": 2,
    "mark_bad": 1, "maintain": 2, "remove": 1, "remove_index": 1, "add": 2, "read": 2,
    "pause_stage": 2, "break_stage": 2, "fill_disk": 1, "settle": 4,
    "change_model": 1,
}  # fmt: skip

ENTITIES, OBJECTS = 4, 2
_STAGES_OF_ARGUMENTS = ("fetch", "derive", "chunker", "embedder", "indexer", "compactor")
_EMBED, _INDEX, _COMPACT = 3, 4, 5
_ABOUT_EFFECTS = 150
# Side by side, one after the other, past a lease, past a redelivery of half a day, past a grace.
_GAPS_SECONDS = (0.0, 0.5, 5.0, 60.0, 2 * 3600.0, 7 * 3600.0, 26 * 3600.0, 9 * 86_400.0)
_GAP_WEIGHTS = (6, 6, 6, 4, 2, 2, 1, 1)


_SOON, _LATER = (0.0, 0.3, 1.0, 3.0, 20.0), (60.0, 1800.0, 4 * 3600.0, 8 * 3600.0)
_DURING = (0.3, 0.6, 0.9, 1.2, 1.5)
_STALL_SHARES = (0.005, 0.02, 0.02, 0.1)
_EPISODES = (1, 1, 1, 2)
_STORYLESS_SHARE = 0.15
_SETTLED_SHARE = 0.8
_PRESENT_SHARE = 0.7
_LEFT_OUT_SHARE, _INSERTED_SHARE, _SAME_ENTITY_SHARE = 0.08, 0.12, 0.9


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of a story: one of `kinds`, one of `gaps` seconds after the step before it."""

    kinds: tuple[OperationKind, ...]
    gaps: tuple[float, ...] = _SOON


@dataclass(frozen=True, slots=True)
class _Story:
    """What a race needs: work that comes late, beside what makes it outdated.

    It is about one of `stages`, and mostly about one entity.
    """

    steps: tuple[_Step, ...]
    stages: tuple[int, ...] = (*range(len(_STAGES_OF_ARGUMENTS)), _EMBED, _INDEX, _INDEX)


def _step(*kinds: OperationKind, gaps: tuple[float, ...] = _SOON) -> _Step:
    return _Step(kinds, gaps)


_RUN: tuple[OperationKind, ...] = ("run_full", "run_incremental")
_BACK: tuple[OperationKind, ...] = ("revert", "revert", "write")
_STORIES: tuple[_Story, ...] = (
    # Late work of a run meets the sweep of a newer one.
    _Story((
        _step("break_stage"), _step("write"), _step(*_RUN), _step("settle"), _step("delete"),
        _step("run_full"), _step("settle"), _step("redrive"), _step("settle"),
        _step("run_incremental"),
    ), (_EMBED, _INDEX)),
    _Story((
        _step("pause_stage"), _step("write"), _step(*_RUN), _step("cancel", gaps=_LATER),
        _step("delete"), _step("run_full"),
    ), (_EMBED, _INDEX, _COMPACT)),
    # The source returns to what a late job read, after a newer run read something else.
    _Story((
        _step("break_stage"), _step("write"), _step(*_RUN), _step("settle"), _step(*_BACK),
        _step(*_RUN), _step("settle"), _step("redrive"), _step("settle"), _step(*_BACK),
        _step("run_incremental"),
    ), (_EMBED, _INDEX)),
    # What was deleted comes back as it was.
    _Story((
        _step("settle"), _step("delete"), _step("run_full"), _step("settle"), _step(*_BACK),
        _step(*_RUN),
    )),
    _Story((
        _step("break_stage"), _step("delete"), _step("run_full"), _step("settle"), _step(*_BACK),
        _step(*_RUN), _step("settle"), _step("redrive"),
    ), (_COMPACT,)),
    # A restore beside runs, and late work after it.
    _Story((
        _step("write"), _step(*_RUN), _step("cancel"), _step("restore"), _step("run_incremental"),
        _step("settle"), _step("run_full"),
    )),
    _Story((
        _step("break_stage"), _step("write"), _step(*_RUN), _step("settle"), _step(*_BACK),
        _step("restore"), _step("redrive"), _step("settle"), _step(*_RUN), _step("settle"),
        _step("run_incremental"),
    ), (_EMBED, _INDEX)),
    _Story((
        _step("settle"), _step("write"), _step("run_full"), _step("settle"),
        _step("break_stage"), _step("write"), _step(*_RUN), _step("settle"), _step("restore"),
        _step("settle"), _step("redrive"), _step("settle"), _step("revert"), _step(*_RUN),
    ), (_INDEX,)),
    # A rebuild beside runs and restores.
    _Story((
        _step("settle"), _step("rebuild"), _step("write", "delete"), _step(*_RUN),
        _step("settle"), _step("rebuild"), _step("delete"), _step("run_full"),
    )),
    _Story((
        _step("settle"), _step("write"), _step("run_full"), _step("settle"), _step("restore"),
        _step("rebuild"), _step("restore", "rebuild"), _step("run_incremental"),
    )),
    # An index is deleted beside work.
    _Story((
        _step("pause_stage", "write"), _step(*_BACK), _step(*_RUN), _step("cancel"),
        _step("remove_index"), _step("settle"), _step("add"), _step(*_RUN, gaps=_LATER),
    )),
    _Story((
        _step("break_stage"), _step("write"), _step(*_RUN), _step("settle"),
        _step("remove_index"), _step("rebuild", "redrive"), _step("settle"), _step("redrive"),
        _step("settle"), _step("add"), _step("run_incremental", gaps=_LATER),
    )),
    # Shards are merged, marked bad and collected.
    _Story((
        _step("settle"), _step("write"), _step("run_incremental"), _step("mark_bad"),
        _step("maintain"), _step(*_RUN), _step("maintain", gaps=(9 * 86_400.0,)),
    )),
    _Story((
        _step("settle"), _step("write"), _step(*_RUN), _step("read"), _step("settle"),
        _step(*_BACK), _step(*_RUN), _step("maintain", "rebuild"), _step("restore", "maintain"),
        _step("maintain", gaps=(2 * 86_400.0, 9 * 86_400.0)),
    )),
    # The model changes before, while and after runs, and back again.
    _Story((
        _step("settle"), _step("write"), _step(*_RUN), _step("change_model", gaps=_DURING),
        _step("settle"), _step("write", "change_model"), _step("run_full"), _step("settle"),
        _step("run_incremental"),
    )),
    _Story((
        _step("pause_stage", "break_stage"), _step("write"), _step(*_RUN),
        _step("change_model", gaps=_DURING), _step("settle"), _step("change_model"),
        _step("run_full"), _step("settle"), _step("redrive"), _step("settle"),
    ), (_EMBED,)),
    _Story((
        _step("settle"), _step("change_model"), _step("run_full"), _step("settle"),
        _step("change_model"), _step("write"), _step("run_full"), _step("settle"),
        _step("run_full"), _step("change_model", gaps=_DURING), _step("settle"),
    )),
    _Story((
        _step("settle"), _step("change_model"), _step("write", "delete"), _step(*_RUN),
        _step("cancel", "change_model", "settle", gaps=_DURING),
        _step("change_model", "rebuild", "restore"), _step(*_RUN), _step("settle"),
        _step("remove_index", "rebuild", "maintain"), _step("run_incremental"),
    )),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """What somebody does so many seconds after the start; `argument` chooses what it is done to."""

    at_seconds: float
    kind: OperationKind
    argument: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that decides a simulation; `seed` decides whose turn it is.

    `stall_share`: before how many of its writes a worker stalls.
    """

    seed: int
    operations: tuple[Operation, ...]
    faults: tuple[Fault, ...]
    skews_seconds: tuple[int, ...]
    stall_share: float

    @classmethod
    def draw(cls, seed: int) -> "Scenario":
        """Draw the scenario of a seed."""
        random = Random(f"scenario/{seed}")
        operations = tuple(_draw_operations(random))
        runs = sum(operation.kind.startswith("run_") for operation in operations)
        faults = tuple(draw_faults(random, _ABOUT_EFFECTS * (1 + runs)))
        skews = tuple(random.choice((0, 0, 0, -240, 300, 3600)) for _ in range(3))
        return cls(seed, operations, faults, skews, random.choice(_STALL_SHARES))

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> "Scenario":
        """Read what `to_dict` wrote."""
        return cls(
            found["seed"],
            tuple(Operation(**one) for one in found["operations"]),
            tuple(Fault(**one) for one in found["faults"]),
            tuple(found["skews_seconds"]),
            found["stall_share"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values."""
        return asdict(self)


def _draw_operations(random: Random) -> Iterator[Operation]:
    for entity in range(ENTITIES):
        if random.random() < _PRESENT_SHARE:
            yield Operation(0.0, "write", entity)
    yield Operation(0.0, "run_full", 0)
    if random.random() < _SETTLED_SHARE:
        yield Operation(0.0, "settle", 0)
    moment = 0.0
    for _ in range(random.choice(_EPISODES)):
        for gap, kind, argument in _draw_episode(random):
            moment += gap
            yield Operation(round(moment, 3), kind, argument)


def _draw_episode(random: Random) -> Iterator[tuple[float, OperationKind, int]]:
    """Yield operations with the seconds before each; a story now and then lacks one of them."""
    if random.random() < _STORYLESS_SHARE:
        yield from _draw_anything(random)
        return
    story = random.choice(_STORIES)
    stage, entity = random.choice(story.stages), random.randrange(ENTITIES)
    for step in story.steps:
        if random.random() < _LEFT_OUT_SHARE:
            continue
        gap = random.choice(step.gaps) * random.uniform(0.5, 1.5)
        kind, argument = random.choice(step.kinds), random.randrange(1000)
        if kind in {"break_stage", "pause_stage", "redrive", "drop"}:
            argument = stage
        elif kind in {"write", "revert", "delete"} and random.random() < _SAME_ENTITY_SHARE:
            argument += entity - argument % ENTITIES
        yield gap, kind, argument
        if random.random() < _INSERTED_SHARE:
            yield random.choice(_SOON), random.choice(list(_WEIGHTS)), random.randrange(1000)


def _draw_anything(random: Random) -> Iterator[tuple[float, OperationKind, int]]:
    """Yield operations of some kinds only, so that each appears often beside few others."""
    kinds = list(_WEIGHTS)
    chosen = [*random.sample(kinds, random.randint(3, len(kinds))), "write", "delete", "run_full"]
    weights = [_WEIGHTS[kind] for kind in chosen]
    for _ in range(random.randint(2, 8)):
        gap = random.choices(_GAPS_SECONDS, _GAP_WEIGHTS)[0] * random.uniform(0.5, 1.0)
        yield gap, random.choices(chosen, weights)[0], random.randrange(1000)
