"""Killing the workers of a local AWS at a moment that is certain, not lucky."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from scripts.local_aws.workers import Worker, kill, workers
from scripts.processes.os_processes import becomes_true
from tests.e2e.stack import Stack

# A worker that was just about to take its next message loses none: then the next one is killed.
ATTEMPTS = 50
NOTICE_SECONDS = 10.0
WORK_SECONDS = 240.0


@dataclass(frozen=True)
class Workers:
    """The processes of a stack's functions."""

    stack: Stack
    server_pid: int

    def kill_midway(self, function: str, is_midway: Callable[[], bool]) -> list[Worker]:
        """Kill the workers of a function at a moment at which `is_midway`; those killed.

        They are stopped first: what is then seen stays so until they are dead. After an earlier
        kill there is none until the local AWS has a message for the next one.
        """

        def is_at_work() -> bool:
            return is_midway() and bool(self._workers(function))

        assert becomes_true(is_at_work, WORK_SECONDS), f"{function} was not seen at work"
        with self._stopped(function) as found:
            assert is_midway(), f"{function} was done before its workers could be stopped"
            assert found, f"{function} has no worker"
            return [worker for worker in found if kill(worker)]

    def kill_with_a_message(
        self, function: str, is_midway: Callable[[], bool], done: Callable[[], int]
    ) -> list[Worker]:
        """Do so until a message was lost in the hands of a worker that was killed.

        `done` counts the work of the function. A worker is killed only after work was done since
        the last kill: one that still starts has no message, and takes many seconds on a machine
        that is busy.
        """
        lost_before = self.lost_batches(function)
        done_at_last_kill = 0

        def is_lost() -> bool:
            return self.lost_batches(function) > lost_before

        def has_worked() -> bool:
            return is_midway() and done() > done_at_last_kill

        for _ in range(ATTEMPTS):
            killed = self.kill_midway(function, has_worked)
            done_at_last_kill = done()
            if becomes_true(is_lost, NOTICE_SECONDS):
                return killed
        raise AssertionError(f"no worker of {function} was killed with a message in its hands")

    def lost_batches(self, function: str) -> int:
        """Count the batches that died with a worker of a function, as the local AWS logs them.

        A worker that dies while it starts up has begun none.
        """
        name = self.stack.outputs["function_names"][function]
        log = self.stack.deployment.directory / "aws" / "log.txt"
        died = rf"ESM: Lambda {re.escape(name)} failed processing SQS batch .*Worker process died"
        return len(re.findall(died, log.read_text(errors="replace")))

    def _workers(self, function: str) -> list[Worker]:
        return workers(self.server_pid, self.stack.outputs["function_names"][function])

    @contextmanager
    def _stopped(self, function: str) -> Iterator[list[Worker]]:
        found = self._workers(function)
        _signal(found, signal.SIGSTOP)
        try:
            yield found
        finally:
            _signal(found, signal.SIGCONT)


def _signal(found: list[Worker], number: signal.Signals) -> None:
    for worker in found:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, number)
