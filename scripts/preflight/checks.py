"""Whether an account takes what is planned: a finding for each limit, with what to change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scripts.preflight.account import Concurrency, Rules, Unknown
from scripts.preflight.planned import Planned

SMALL = "the settings of terraform/small-account.tfvars.example"
# A new account allows a function no more; https://docs.aws.amazon.com/lambda, "Memory".
MEMORY_OF_NEW_ACCOUNTS_MB = 3008
# AWS leaves so many environments unreserved, or all where the account has fewer.
LEAST_UNRESERVED = 100
USUAL_CONCURRENCY = 1000
# Of a queue: the least `maximum_concurrency` that AWS takes.
LEAST_BATCHES = 2
MAXIMUM_LAYERS = 5
RULES_OF_A_CORPUS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `fine`, `wrong` with what to change, or `unknown` with the reason."""

    verdict: Literal["fine", "wrong", "unknown"]
    text: str


def _unknown(subject: str, found: Unknown) -> Finding:
    return Finding("unknown", f"{subject} could not be asked for ({found.reason})")


def check_reservations(planned: Planned, found: Concurrency | Unknown) -> Finding:
    """Whether the reserved environments leave what AWS keeps for all others."""
    if isinstance(found, Unknown):
        return _unknown("the account's concurrency", found)
    wanted = sum(function.reserved for function in planned.functions.values())
    room = found.unreserved + found.own - min(LEAST_UNRESERVED, found.limit)
    if wanted > max(room, 0):
        return Finding(
            "wrong",
            f"{wanted} environments are to be reserved and the account has room for "
            f"{max(room, 0)}: raise its quota, lower reserved_concurrency in function_settings "
            f"(-1 reserves none), or take {SMALL}",
        )
    return Finding("fine", f"the account can reserve {wanted} environments")


def check_queues(planned: Planned, found: Concurrency | Unknown) -> Finding:
    """Whether all queues can hand out their batches at once, or as few as AWS allows."""
    if isinstance(found, Unknown):
        return _unknown("the account's concurrency", found)
    of_queues = [one.maximum_concurrency for one in planned.functions.values()]
    batches = sum(number or 0 for number in of_queues)
    reserved = sum(one.reserved for one in planned.functions.values())
    if batches + reserved <= found.limit:
        return Finding("fine", f"the account has {found.limit} environments for {batches} batches")
    if reserved == 0 and all(number in (None, LEAST_BATCHES) for number in of_queues):
        return Finding(
            "fine",
            f"the account has {found.limit} environments for {batches} batches, which is as few as "
            "there can be: docs/how-to/small-accounts.md says why that holds",
        )
    return Finding(
        "wrong",
        f"the queues hand out {batches} batches at once, {reserved} environments are reserved, "
        f"and the account has {found.limit}: raise its quota, or take {SMALL}",
    )


def check_memory(planned: Planned, found: Concurrency | Unknown) -> Finding:
    """Whether a function asks for more memory than new accounts allow, which no call tells."""
    most, name = max((one.memory_mb, name) for name, one in planned.functions.items())
    if most <= MEMORY_OF_NEW_ACCOUNTS_MB:
        return Finding("fine", f"no function asks for more than {most} MB, which every account has")
    is_new = isinstance(found, Concurrency) and found.limit < USUAL_CONCURRENCY
    return Finding(
        "wrong" if is_new else "unknown",
        f"{name} asks for {most} MB; new accounts allow {MEMORY_OF_NEW_ACCOUNTS_MB}, and no call "
        f"tells: if the apply is refused, set function_settings.{name}.memory_mb lower",
    )


def check_log_role(planned: Planned, found: str | Unknown | None) -> Finding:
    """Whether the access logs that are asked for can be written."""
    if not planned.access_logs:
        return Finding("fine", "the API writes no access logs, so it needs no role of the account")
    if isinstance(found, Unknown):
        return _unknown("API Gateway's log role", found)
    if found is None:
        return Finding(
            "wrong",
            "API Gateway has no log role in this region: apply terraform/account/ once, or set "
            "api_access_logs_enabled = false",
        )
    return Finding("fine", f"API Gateway writes access logs by {found}")


def check_bucket(bucket: str, found: str | Unknown) -> Finding:
    """Whether the name of the bucket is free, or that of this deployment."""
    if isinstance(found, Unknown):
        return _unknown(f"the bucket {bucket}", found)
    match found:
        case "free":
            return Finding("fine", f"the name {bucket} is free")
        case "ours":
            return Finding("fine", f"the bucket {bucket} is that of this deployment")
        case "mine":
            return Finding(
                "wrong",
                f"this account has a bucket {bucket}, and no deployment of this name_prefix: set "
                "bucket_name to another name, or import the bucket",
            )
    return Finding(
        "wrong", f"another account has the bucket {bucket}: set bucket_name to another name"
    )


def check_rules(planned: Planned, found: Rules | Unknown) -> Finding:
    """Whether the schedules of all corpora fit into the event bus."""
    if isinstance(found, Unknown):
        return _unknown("the quota of EventBridge rules", found)
    wanted = planned.corpora * RULES_OF_A_CORPUS
    if found.present + wanted > found.quota:
        return Finding(
            "wrong",
            f"{planned.corpora} corpora need up to {wanted} rules; the bus has {found.present} of "
            f'{found.quota}: raise the quota "Rules" of EventBridge',
        )
    return Finding("fine", f"the event bus has {found.present} rules of {found.quota}")


def check_layers(planned: Planned) -> Finding:
    """Whether a function has more layers than Lambda takes."""
    most, name = max((one.layers, name) for name, one in planned.functions.items())
    if most > MAXIMUM_LAYERS:
        return Finding(
            "wrong",
            f"{name} has {most} layers and Lambda takes {MAXIMUM_LAYERS}: shorten "
            f"extra_layer_arns.{name}",
        )
    return Finding("fine", f"no function has more than {most} of {MAXIMUM_LAYERS} layers")


def lines(findings: list[Finding]) -> Iterator[str]:
    """The findings for a terminal."""
    for finding in findings:
        yield f"{finding.verdict:<8} {finding.text}"
