"""Without any one action of any statement, the work that needs it is refused.

Collected only by `make refusals`; see conftest.py. The cases are those of the expected table, which
is held to the plan by tests/integration/privileges, but for what the local AWS does not check.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from scripts.local_aws.target import LOOPBACK
from scripts.privileges.table import EXPECTED, Permission, permissions
from tests.e2e import refused_work as work
from tests.e2e.conftest import make_client
from tests.e2e.refusals import Refusals
from tests.e2e.stack import Stack
from tests.integration.conformance.server import running_site_server
from tests.integration.conformance.sites.http_json import CursorSite, OffsetTotalSite

# Never asked of MiniStack by a role, so asserted on the plan alone.
NOT_ENFORCED = {
    "logs:CreateLogStream", "logs:PutLogEvents",
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
    "s3:AbortMultipartUpload",
}  # fmt: skip
# Asked for by Lambda itself in the name of the role, which the local AWS does not do.
NOT_ENFORCED_FOR_LAMBDA = {("ultron-ingest", "GiveUpInvocations", "sqs:SendMessage")}
# Needed where a page fails for good: the stage lacks something else as well.
FAILS_FOR = {
    "dynamodb:PutItem": ("chunker", "derive", "fetch"),
    "dynamodb:DeleteItem": ("chunker", "derive", "embedder", "fetch", "indexer"),
    "dynamodb:Query": ("chunker", "derive", "embedder", "fetch"),
    "sqs:ChangeMessageVisibility": (
        "chunker",
        "compactor",
        "derive",
        "embedder",
        "fetch",
        "indexer",
    ),
}
ABSENT: dict[str, dict[str, Any]] = {
    "derive": {"kind": "derive", "endpoint": "objects", "raw_key": "raw/x/none"},
    "chunker": {"kind": "chunk", "entities_key": "derived/x/none"},
    "embedder": {"kind": "embed", "part": 0, "parts": 1, "chunks_key": "chunks/x/none"},
}


def cases() -> list[Permission]:
    found = permissions(EXPECTED.read_text(encoding="utf-8"))
    return [
        p for p in found if p.action not in NOT_ENFORCED and tuple(p) not in NOT_ENFORCED_FOR_LAMBDA
    ]


REBUILD = work.indexed("compactor", lambda corpus: {"rebuild": {"corpus": corpus}})
# Where a run of one note does not need the action.
WORK: dict[tuple[str, str], work.Work] = {
    ("ingest", "s3:GetObject"): work.indexed(
        "ingest", lambda corpus: {"action": "try", "corpus": corpus}
    ),
    ("compactor", "sqs:SendMessage"): REBUILD,
    ("compactor", "s3:PutObject"): REBUILD,
    ("compactor", "s3:DeleteObject"): work.history_expired,
    ("compactor", "sqs:ChangeMessageVisibility"): work.maintenance_by_queue,
    ("compactor", "dynamodb:BatchGetItem"): work.model_changed,
    ("retrieve", "s3:ListBucket"): work.never_indexed,
    ("retrieve", "lambda:InvokeFunction"): work.beyond_one_environment,
    ("ingest", "dynamodb:DeleteItem"): work.unplanned,
    ("ingest", "secretsmanager:GetSecretValue"): work.web_run_of(OffsetTotalSite(), has_key=True),
    ("fetch", "secretsmanager:GetSecretValue"): work.web_run_of(OffsetTotalSite(), has_key=True),
    ("fetch", "dynamodb:BatchGetItem"): work.web_run_of(CursorSite()),
    ("fetch", "s3:ListBucket"): work.object_gone,
}


def work_for(function: str, action: str) -> work.Work:
    """The smallest piece of work in which the function needs the action."""
    if (function, action) in WORK:
        return WORK[function, action]
    if action == "s3:ListBucket" and function in ABSENT:
        return work.absent(function, **ABSENT[function])
    if function == "orchestrator":
        return work.question
    if function == "retrieve":
        ask = work.indexed(function, lambda corpus: {"retrieve": {"q": "note", "corpus": corpus}})
        return work.recycled(function, ask)
    return work.run_of_one_note


def is_timeout(answer: object) -> bool:
    """Whether an invocation answered that its function had no time left."""
    return isinstance(answer, dict) and "timed out after" in str(answer.get("errorMessage"))


@pytest.fixture(scope="session")
def refusals(stack: Stack) -> Iterator[Refusals]:
    client: Callable[[str], Any] = partial(make_client, stack.deployment)
    with running_site_server(LOOPBACK) as web:
        found = Refusals(stack, client("iam"), client("ssm"), client("secretsmanager"), web)
        yield found
    found.clear()


@pytest.mark.parametrize("permission", cases(), ids=lambda p: "-".join(p))
def test_what_needs_it_is_refused_without(refusals: Refusals, permission: Permission) -> None:
    role, sid, action = permission
    function = role.removeprefix("ultron-")
    lacking = [action]
    if function in FAILS_FOR.get(action, ()):
        lacking.append("s3:GetObject" if function == "indexer" else "s3:PutObject")
    begin = work_for(function, action)(refusals)
    begun = refusals.seen()
    with refusals.without(role, *lacking, sid=sid if len(lacking) == 1 else None):
        answer = begin()
        if is_timeout(answer):  # the start of an environment on a busy machine
            answer = begin()
        try:
            refusals.wait_for_refusal(role, action, begun)
        except AssertionError as error:
            error.add_note(f"The work answered: {answer}")
            raise


def test_every_exception_is_in_the_table() -> None:
    known = set(map(tuple, permissions(EXPECTED.read_text(encoding="utf-8"))))
    assert known >= NOT_ENFORCED_FOR_LAMBDA
