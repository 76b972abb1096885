"""What the deployed API does under load, over real HTTP: `GET /retrieve` by several clients."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import urllib3

from benchmarks.measured_run import client_maker
from benchmarks.table import Cell, print_table
from scripts.demo.stack import LiveStack
from scripts.processes.os_processes import becomes_true
from shared.errors import UltronError
from shared.platform.http_api import JSON_CONTENT_TYPE, PROBLEM_CONTENT_TYPE

CLIENTS = (1, 4, 16)
QUESTIONS = (
    "Who created Ultron?",
    "a god of thunder",
    "Captain Marvel",
    "a team that left Earth",
    "Jocasta",
)
# More at once than the plan's burst, so that it is exceeded however slow the machine is.
FLOOD_AT_ONCE = 30
FLOOD_REQUESTS = 60
# No more in a second than the plan allows.
SECONDS_BETWEEN_ORDINARY = 0.4
ORDINARY_REQUESTS = 10
# A flood may start a process for each request at once; on a busy machine each takes a minute.
RECOVERY_SECONDS = 300.0
_WITHOUT_LIMIT = 100_000
# API Gateway gives up after 29 seconds.
_TIMEOUT = urllib3.Timeout(connect=5, read=60)
# The errors that docs/reference/retrieve.md names for a request that is right, by their status.
_CODES = {
    429: {"THROTTLED"},
    500: {"INTERNAL"},
    502: {"INTERNAL"},
    503: {"PARTIAL_FAILURE", "DAMAGED_INDEX", "OVERLOADED"},
    504: {"TIMEOUT"},
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its status, how long it took, and what is wrong with its form (None: nothing)."""

    status: int
    milliseconds: float
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What some clients got who asked again and again, and for how long they did."""

    clients: int
    seconds: float
    replies: tuple[Reply, ...]

    @property
    def statuses(self) -> Counter[int]:
        """How often each status came back."""
        return Counter(reply.status for reply in self.replies)

    @property
    def faults(self) -> list[str]:
        """What was wrong with the form of answers, each once."""
        return sorted({reply.fault for reply in self.replies if reply.fault})

    @property
    def answers_a_second(self) -> float:
        """How many were answered with results, by the time."""
        return self.statuses[200] / self.seconds

    def milliseconds_at(self, percent: float) -> float | None:
        """A percentile of the time of the answers with results; None when there was none."""
        times = [reply.milliseconds for reply in self.replies if reply.status == 200]
        return float(np.percentile(times, percent)) if times else None


def form_fault(status: int, content_type: str, data: bytes) -> str | None:
    """Say how an answer differs from what docs/reference/retrieve.md says; None if it does not."""
    try:
        body = json.loads(data)
    except ValueError:
        return f"{status} with a body that is no JSON"
    if not isinstance(body, dict):
        return f"{status} with JSON that is no object"
    kind = content_type.split(";")[0].strip()
    if status == 200:
        is_answer = kind == JSON_CONTENT_TYPE and isinstance(body.get("results"), list)
        return None if is_answer else f"200 as {kind or 'nothing'} without a list of results"
    return _problem_fault(status, kind, body)


def _problem_fault(status: int, kind: str, body: dict[str, Any]) -> str | None:
    error = body.get("error")
    if kind != PROBLEM_CONTENT_TYPE:
        return f"{status} as {kind or 'nothing'}"
    if not isinstance(error, dict) or error.get("code") not in _CODES.get(status, set()):
        return f"{status} with the error {error!r}"
    if not error.get("message") or error["message"] != body.get("detail"):
        return f"{status} whose message is not its detail"
    # A gateway response that stands for several errors has no status in its template.
    if body.get("status", status) != status:
        return f"{status} that says it is {body['status']}"
    return None if body.get("request_id") else f"{status} without a request_id"


class Door:
    """The API of a live stack, called with its key."""

    def __init__(self, stack: LiveStack) -> None:
        self._url = f"{stack.api_url}/retrieve"
        self._headers = {"x-api-key": stack.outputs.api_key}
        self._pool = urllib3.PoolManager(
            maxsize=max(*CLIENTS, FLOOD_AT_ONCE), retries=False, timeout=_TIMEOUT
        )

    def ask(self, number: int) -> Reply:
        """Ask one of the questions; raises UltronError when nothing answers."""
        question = QUESTIONS[number % len(QUESTIONS)]
        started = time.perf_counter()
        try:
            response = self._pool.request(
                "GET", self._url, fields={"q": question}, headers=self._headers
            )
        except urllib3.exceptions.HTTPError as error:
            raise UltronError(f"the API gave no answer: {type(error).__name__}") from error
        milliseconds = (time.perf_counter() - started) * 1000
        content_type = response.headers.get("content-type", "")
        fault = form_fault(response.status, content_type, response.data)
        return Reply(response.status, milliseconds, fault)


Ask = Callable[[int], Reply]


def ask_for(ask: Ask, clients: int, seconds: float, now: Callable[[], float]) -> Load:
    """Let some clients ask again and again, each as soon as it has its answer.

    Args:
        ask: Asks the question of a number.
        clients: How many ask side by side.
        seconds: No request begins later than this.
        now: A clock in seconds that never goes back.
    """
    started = now()

    def one_client(first: int) -> list[Reply]:
        replies: list[Reply] = []
        while now() - started < seconds:
            replies.append(ask(first + len(replies)))
        return replies

    with ThreadPoolExecutor(clients) as pool:
        found = [reply for replies in pool.map(one_client, range(clients)) for reply in replies]
    return Load(clients, now() - started, tuple(found))


def flood(ask: Ask) -> Load:
    """Send more requests at once than the plan lets through."""
    started = time.monotonic()
    with ThreadPoolExecutor(FLOOD_AT_ONCE) as pool:
        replies = tuple(pool.map(ask, range(FLOOD_REQUESTS)))
    return Load(FLOOD_AT_ONCE, time.monotonic() - started, replies)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after the flood a request first succeeded (None: never), and those after it."""

    seconds: float | None
    ordinary: Load


def recover(ask: Ask, timeout_seconds: float = RECOVERY_SECONDS) -> Recovery:
    """Ask until an answer comes, then as often as the plan allows."""
    started = time.monotonic()
    is_back = becomes_true(lambda: ask(0).status == 200, timeout_seconds, SECONDS_BETWEEN_ORDINARY)
    waited = time.monotonic() - started
    if not is_back:
        return Recovery(None, Load(1, waited, ()))
    begun = time.monotonic()
    replies: list[Reply] = []
    for number in range(ORDINARY_REQUESTS):
        time.sleep(SECONDS_BETWEEN_ORDINARY)
        replies.append(ask(number))
    return Recovery(waited, Load(1, time.monotonic() - begun, tuple(replies)))


@contextmanager
def without_plan_limit(stack: LiveStack) -> Iterator[dict[str, Any]]:
    """For the block, the usage plan limits nothing; gives the limits that it had and will have."""
    client = client_maker(stack.deployment)("apigateway")
    [plan] = [
        plan
        for plan in client.get_usage_plans()["items"]
        if any(stage["apiId"] == stack.outputs.api_id for stage in plan.get("apiStages", ()))
    ]
    limits: dict[str, Any] = plan["throttle"]
    _set_limits(client, plan["id"], _WITHOUT_LIMIT, _WITHOUT_LIMIT)
    try:
        yield limits
    finally:
        _set_limits(client, plan["id"], limits["rateLimit"], limits["burstLimit"])


def _set_limits(client: Any, plan_id: str, rate: float, burst: int) -> None:
    changes = {"/throttle/rateLimit": rate, "/throttle/burstLimit": burst}
    client.update_usage_plan(
        usagePlanId=plan_id,
        patchOperations=[
            {"op": "replace", "path": path, "value": f"{value:g}"}
            for path, value in changes.items()
        ],
    )


def warm_up(ask: Ask, clients: int, timeout_seconds: float) -> None:
    """Let the local AWS start as many workers as so many clients need.

    Raises:
        UltronError: a client got no answer in time.
    """

    def is_answered(number: int) -> bool:
        return becomes_true(lambda: ask(number).status == 200, timeout_seconds, 0.5)

    with ThreadPoolExecutor(clients) as pool:
        if not all(pool.map(is_answered, range(clients))):
            raise UltronError(f"{clients} clients got no answer within {timeout_seconds:.0f} s")


@dataclass(frozen=True, slots=True)
class DoorFigures:
    """All that was seen at the door; `limits` are those of the usage plan."""

    loads: tuple[Load, ...]
    limits: dict[str, Any]
    flood: Load
    recovery: Recovery

    def broken_promises(self) -> list[str]:
        """Say what docs/reference/retrieve.md promises and was not so."""
        parts = (*self.loads, self.flood, self.recovery.ordinary)
        broken = [f"an answer of another form: {fault}" for part in parts for fault in part.faults]
        if self.flood.statuses[429] == 0:
            broken.append("no request beyond the usage plan was refused with 429")
        if self.recovery.seconds is None:
            broken.append(f"nothing was answered for {RECOVERY_SECONDS:.0f} s after the flood")
        elif set(self.recovery.ordinary.statuses) != {200}:
            statuses = statuses_text(self.recovery.ordinary)
            broken.append(f"ordinary requests after the flood were not all answered: {statuses}")
        return broken


def measure_door(stack: LiveStack, seconds: float) -> DoorFigures:
    """Measure the load of each number of clients, then flood the API and let it recover."""
    ask = Door(stack).ask
    loads: list[Load] = []
    with without_plan_limit(stack) as limits:
        for clients in CLIENTS:
            warm_up(ask, clients, RECOVERY_SECONDS)
            loads.append(ask_for(ask, clients, seconds, time.monotonic))
            print(f"{clients} clients: {len(loads[-1].replies)} answers", flush=True)
    return DoorFigures(tuple(loads), limits, flood(ask), recover(ask))


def statuses_text(load: Load) -> str:
    """The statuses with how often each came back."""
    return ", ".join(f"{status}: {count}" for status, count in sorted(load.statuses.items()))


def print_door(figures: DoorFigures) -> None:
    """Print a line for each number of clients, and what the flood did."""
    rows: list[list[Cell]] = []
    for load in figures.loads:
        times = [load.milliseconds_at(percent) for percent in (50, 95, 99)]
        rows.append([str(load.clients), load.answers_a_second, *times, statuses_text(load)])
    columns: Sequence[str] = ("clients", "200s a second", "p50 ms", "p95 ms", "p99 ms", "statuses")
    print_table(columns, rows)
    print("the share of the local AWS, and of the clients, is in these figures\n")
    sent, took = figures.flood, figures.flood.seconds
    limits = figures.limits
    print(
        f"{len(sent.replies)} requests by {sent.clients} clients in {took:.1f} s, under the plan of"
        f" {limits['rateLimit']:g} a second, burst {limits['burstLimit']}: {statuses_text(sent)}"
    )
    if figures.recovery.seconds is not None:
        print(
            f"answered again {figures.recovery.seconds:.1f} s after it; then"
            f" {len(figures.recovery.ordinary.replies)} ordinary requests:"
            f" {statuses_text(figures.recovery.ordinary)}"
        )
