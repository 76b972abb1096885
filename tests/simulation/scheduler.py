"""Tasks that take turns under a virtual clock: which one goes on is drawn from the seed.

A task is a greenlet, so real code of any depth can be left at an effect and resumed there. Nothing
here sleeps, starts a thread or reads a clock: a seed decides everything.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from random import Random

import greenlet

LONGEST_STEP_SECONDS = 0.02
"""How much time passes at a turn, at most."""

_STALLS_SECONDS = (1.0, 60.0, 60.0, 400.0)
# A check and the write that relies on it: what comes in between is what is looked for.
_READS_PER_STALL_OF_WRITES = 4


class KilledError(BaseException):
    """The worker ends at this line; nothing it does after it has an effect.

    It is no `Exception`, so that the code under test cannot answer it.
    """


class Task:
    """One piece of work that takes turns; `deadline` is when it is killed."""

    def __init__(self, name: str, work: Callable[[], None], deadline: datetime) -> None:
        self.name = name
        self.deadline = deadline
        self.is_killed = False
        self.error: BaseException | None = None
        self.greenlet = greenlet.greenlet(self._run)
        self._work = work

    @property
    def is_ended(self) -> bool:
        """Whether it came to its end, by itself or not."""
        return bool(self.greenlet.dead)

    def _run(self) -> None:
        try:
            self._work()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - every end of a task is the caller's to see
            self.error = error


class Scheduler:
    """Lets tasks take turns; `now` moves on with each turn, and to the next timer when all wait.

    Before that share of its writes a task stalls, for up to some minutes; more rarely before reads.
    """

    def __init__(self, random: Random, start: datetime, stall_share: float = 0.01) -> None:
        self.now = start
        self._stall_share = stall_share
        self.current: Task | None = None
        self._random = random
        self._ready: list[Task] = []
        self._timers: list[tuple[datetime, int, Task]] = []
        self._numbers = count()
        self._hub = greenlet.getcurrent()

    @property
    def elapsed(self) -> float:
        """Seconds on a clock that every worker reads alike."""
        return self.now.timestamp()

    @property
    def has_ready(self) -> bool:
        """Whether a task can go on now."""
        return bool(self._ready)

    @property
    def next_timer(self) -> datetime | None:
        """When the next sleeping task wakes."""
        return self._timers[0][0] if self._timers else None

    def start(self, name: str, work: Callable[[], None], timeout_seconds: float) -> Task:
        """Begin a task that is killed after so many seconds."""
        task = Task(name, work, self.now + timedelta(seconds=timeout_seconds))
        self._ready.append(task)
        return task

    def step(self) -> Task:
        """Give a turn to a task that can go on; returns it, ended or not."""
        task = self._ready.pop(self._random.randrange(len(self._ready)))
        self.now += timedelta(seconds=self._random.uniform(0.0005, LONGEST_STEP_SECONDS))
        self.current = task
        try:
            task.greenlet.switch()
        finally:
            self.current = None
        return task

    def advance_to(self, moment: datetime) -> None:
        """Let time pass; tasks whose timers are due can go on."""
        self.now = max(self.now, moment)
        while self._timers and self._timers[0][0] <= self.now:
            self._ready.append(heapq.heappop(self._timers)[2])

    def stop_stalls(self) -> None:
        """From now on no task stalls."""
        self._stall_share = 0.0

    def pause(self, *, is_write: bool = False) -> None:
        """Called by a task: let others have their turns.

        Raises:
            KilledError: the task was killed meanwhile, or its time is over.
        """
        share = self._stall_share / (1 if is_write else _READS_PER_STALL_OF_WRITES)
        if self._random.random() < share:
            self.sleep(self._random.uniform(0.0, self._random.choice(_STALLS_SECONDS)))
            return
        task = self._living()
        self._ready.append(task)
        self._leave(task)

    def sleep(self, seconds: float) -> None:
        """Called by a task: come back after so many seconds; raises like `pause`."""
        task = self._living()
        wakes_at = min(self.now + timedelta(seconds=max(seconds, 0.0)), task.deadline)
        heapq.heappush(self._timers, (wakes_at, next(self._numbers), task))
        self._leave(task)

    def kill(self) -> None:
        """Called by a task: end here.

        Raises:
            KilledError: always.
        """
        self._current().is_killed = True
        raise KilledError

    def _current(self) -> Task:
        if self.current is None:
            raise AssertionError("only a task may pause")
        return self.current

    def _living(self) -> Task:
        task = self._current()
        if task.is_killed:
            raise KilledError
        return task

    def _leave(self, task: Task) -> None:
        self._hub.switch()
        if task.is_killed or self.now >= task.deadline:
            task.is_killed = True
            raise KilledError
