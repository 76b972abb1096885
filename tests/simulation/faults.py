"""What may go wrong at an effect, as AWS shows it to a caller, and when it does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

FaultKind = Literal["killed_before", "killed_after", "refused", "lost", "repeated", "partial"]
FAULT_KINDS: tuple[FaultKind, ...] = (
    "killed_before", "killed_after", "refused", "lost", "repeated", "partial",
)  # fmt: skip
"""killed_before, killed_after: the worker ends, without the effect or with it.
refused: throttled, or in conflict, beyond all attempts of the client; no effect.
lost: the effect is made, and the caller has a time-out instead of its answer.
repeated: the effect is made, its answer lost, and the client sends the call again.
partial: a batch is taken in part, a transaction is cancelled by another one.
"""


READS = ("get_", "batch_get_", "head_", "list_", "query", "receive_")
"""How the names of the operations begin that change nothing but what is hidden."""


@dataclass(frozen=True, slots=True)
class Fault:
    """At the effect of this number, counted from the first of the simulation."""

    effect: int
    kind: FaultKind


class FaultPlan:
    """Which effects go wrong; counts them as they come."""

    def __init__(self, faults: Mapping[int, FaultKind]) -> None:
        self._faults = faults
        self.effects = 0
        self.injected: dict[FaultKind, int] = {}
        self.is_off = False

    def next(self, service: str, operation: str) -> FaultKind | None:
        """Count an effect; how it goes wrong, if it does."""
        self.effects += 1
        kind = self._faults.get(self.effects)
        if kind is None or self.is_off:
            return None
        if kind == "partial" and (service, operation) not in _PARTIAL:
            kind = "refused"
        if kind == "repeated" and operation.startswith(READS):
            return None
        self.injected[kind] = self.injected.get(kind, 0) + 1
        return kind


_PARTIAL = {
    ("sqs", "send_message_batch"), ("dynamodb", "batch_get_item"),
    ("dynamodb", "transact_write_items"), ("s3", "put_object"),
}  # fmt: skip


def draw_faults(random: Random, effects: int) -> Iterator[Fault]:
    """Draw the faults of a simulation that has about so many effects."""
    number = random.choice((0, 1, 2, 4, 8, 16))
    kinds = random.sample(FAULT_KINDS, random.randint(1, len(FAULT_KINDS)))
    for effect in sorted(random.sample(range(1, effects), min(number, effects - 1))):
        yield Fault(effect, random.choice(kinds))


def refusal(service: str, operation: str, request: Mapping[str, Any]) -> ClientError:
    """How a service refuses a call that it could not do now."""
    if service == "s3":
        return client_error("SlowDown", operation, 503)
    if service == "dynamodb" and operation == "transact_write_items":
        return cancelled(request, "ProvisionedThroughputExceeded")
    if service == "dynamodb":
        return client_error("ProvisionedThroughputExceededException", operation, 400)
    return client_error("ThrottlingException", operation, 400)


def undecided(operation: str) -> ClientError:
    """How S3 answers a conditional write while another write of the key is under way."""
    return client_error("ConditionalRequestConflict", operation, 409)


def cancelled(request: Mapping[str, Any], code: str) -> ClientError:
    """How DynamoDB cancels a transaction because of its first write."""
    reasons = [{"Code": "None"} for _ in request["TransactItems"]]
    reasons[0] = {"Code": code, "Message": code}
    error = client_error("TransactionCanceledException", "transact_write_items", 400)
    error.response["CancellationReasons"] = reasons  # type: ignore[typeddict-item]
    return error


def client_error(code: str, operation: str, status: int) -> ClientError:
    """An error answer of AWS."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"{code} (simulated)"},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 4},  # type: ignore[typeddict-item]
        },
        operation,
    )


def lost_answer(service: str) -> ReadTimeoutError:
    """What a caller has whose call was never answered."""
    return ReadTimeoutError(endpoint_url=f"https://{service}.simulated")
