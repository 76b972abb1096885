"""Each limit of an account is compared with the settings, and what to change is named."""

from typing import Any

import pytest

from scripts.preflight.account import Concurrency, Rules, Unknown
from scripts.preflight.caller import Caller
from scripts.preflight.checks import (
    Finding,
    check_bucket,
    check_layers,
    check_log_role,
    check_memory,
    check_queues,
    check_reservations,
    check_rules,
)
from scripts.preflight.planned import Planned

QUEUES = ("fetch", "derive", "chunker", "embedder", "indexer", "compactor")
USUAL = Concurrency(limit=1000, unreserved=1000, own=0)
NEW = Concurrency(limit=10, unreserved=10, own=0)
CALLER = Caller("123456789012", "eu-west-1", "arn:aws:iam::123456789012:user/me", None)


def function(**changed: Any) -> dict[str, Any]:
    defaults = {
        "memory_mb": 512, "reserved_concurrency": None, "maximum_concurrency": None, "layers": 2,
    }  # fmt: skip
    return {**defaults, **changed}


def planned(batches: int = 6, reserved: int = 15, **changed: Any) -> Planned:
    """Settings whose queues hand out some batches each, and which reserve for `retrieve`."""
    functions = {name: function(maximum_concurrency=batches) for name in QUEUES}
    functions["retrieve"] = function(reserved_concurrency=reserved)
    settings: dict[str, Any] = {
        "expected_account_id": CALLER.account_id, "region": None, "name_prefix": "ultron",
        "bucket_name": None, "access_logs": False, "corpora": 2, "functions": functions,
    }  # fmt: skip
    return Planned.model_validate({**settings, **changed})


def test_the_usual_account_takes_the_defaults() -> None:
    for check in (check_reservations, check_queues, check_memory):
        assert check(planned(), USUAL).verdict == "fine"


def test_a_new_account_takes_no_reservation() -> None:
    finding = check_reservations(planned(reserved=1), NEW)
    assert finding.verdict == "wrong"
    assert "room for 0" in finding.text and "small-account.tfvars.example" in finding.text
    assert check_reservations(planned(reserved=-1), NEW).verdict == "fine"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Concurrency(1000, 115, 0), "fine"),
        (Concurrency(1000, 114, 0), "wrong"),
        (Concurrency(1000, 100, 15), "fine"),  # an apply that is made again
    ],
)
def test_reservations_of_others_take_room(found: Concurrency, verdict: str) -> None:
    assert check_reservations(planned(reserved=15), found).verdict == verdict


def test_the_least_batches_are_fine_in_a_new_account_and_more_are_not() -> None:
    assert check_queues(planned(batches=2, reserved=-1), NEW).verdict == "fine"
    finding = check_queues(planned(batches=3, reserved=-1), NEW)
    assert finding == Finding(
        "wrong",
        "the queues hand out 18 batches at once, 0 environments are reserved, and the account has "
        "10: raise its quota, or take the settings of terraform/small-account.tfvars.example",
    )


@pytest.mark.parametrize(("found", "verdict"), [(NEW, "wrong"), (USUAL, "unknown")])
def test_much_memory_is_refused_by_new_accounts(found: Concurrency, verdict: str) -> None:
    settings = planned(functions={"embedder": function(memory_mb=3009)})
    finding = check_memory(settings, found)
    assert finding.verdict == verdict
    assert "function_settings.embedder.memory_mb" in finding.text


def test_layers_are_counted() -> None:
    assert check_layers(planned()).verdict == "fine"
    finding = check_layers(planned(functions={"chunker": function(layers=6)}))
    assert finding.verdict == "wrong" and "extra_layer_arns.chunker" in finding.text


def test_access_logs_need_the_role_of_the_account() -> None:
    assert check_log_role(planned(), None).verdict == "fine"
    wanted = planned(access_logs=True)
    assert "terraform/account/" in check_log_role(wanted, None).text
    assert check_log_role(wanted, "arn:aws:iam::123456789012:role/log").verdict == "fine"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("free", "fine"), ("ours", "fine"), ("mine", "wrong"), ("taken", "wrong")],
)
def test_the_name_of_the_bucket_is_looked_up(state: str, verdict: str) -> None:
    finding = check_bucket("a-bucket", state)
    assert finding.verdict == verdict
    assert "a-bucket" in finding.text


def test_the_bucket_is_that_of_terraform() -> None:
    assert planned().bucket(CALLER) == "ultron-embeddings-123456789012"
    other = planned(name_prefix="search")
    assert other.bucket(CALLER) == "search-embeddings-123456789012-eu-west-1"
    assert planned(bucket_name="mine").bucket(CALLER) == "mine"


def test_rules_fit_into_the_bus() -> None:
    assert check_rules(planned(), Rules(present=294, quota=300)).verdict == "fine"
    assert check_rules(planned(), Rules(present=295, quota=300)).verdict == "wrong"


def test_what_may_not_be_asked_is_said() -> None:
    refused = Unknown("AccessDeniedException")
    findings = [
        check_reservations(planned(), refused),
        check_queues(planned(), refused),
        check_log_role(planned(access_logs=True), refused),
        check_bucket("a-bucket", refused),
        check_rules(planned(), refused),
    ]
    assert {finding.verdict for finding in findings} == {"unknown"}
    assert all("AccessDeniedException" in finding.text for finding in findings)
