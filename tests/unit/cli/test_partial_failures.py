"""What AWS left undone in a call that it answered, or answered twice, is not taken for done."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from services.cli.corpus.schedules import Schedules, rules_of
from services.cli.deployment.published import ScheduleAddresses
from services.cli.errors import UnavailableError
from shared.corpora.documents import COMMAND, CorpusDocuments, corpus_document, parse_corpus
from shared.errors import ConflictError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_ssm import SSMClient

CORPUS = parse_corpus(
    '{"name": "notes", "source": {"kind": "jsonl", "prefix": "sources/notes/"}}', "here"
)
ADDRESSES = ScheduleAddresses(
    ingest_function_arn="arn:f",
    dead_letter_arn="arn:d",
    compact_queue_arn="arn:q",
    rule_prefix="ultron",
    default_incremental="cron(0 6 * * ? *)",
    maintenance="rate(7 days)",
)
LEFT_OUT = {
    "FailedEntryCount": 1,
    "FailedEntries": [{"TargetId": "t", "ErrorCode": "Busy", "ErrorMessage": "it is busy"}],
}


@pytest.fixture
def events() -> Iterator[tuple["EventBridgeClient", Stubber]]:
    client: EventBridgeClient = boto3.client("events", region_name="us-east-1")
    with Stubber(client) as stub:
        yield client, stub


def test_a_target_that_eventbridge_did_not_take_is_an_error(
    events: tuple["EventBridgeClient", Stubber],
) -> None:
    client, stub = events
    stub.add_response("put_targets", LEFT_OUT)
    with pytest.raises(UnavailableError, match=r"did not take the target .*\(it is busy\)"):
        Schedules(client, ADDRESSES).connect("notes", rules_of(CORPUS, ADDRESSES))


def test_a_target_that_eventbridge_did_not_remove_is_an_error(
    events: tuple["EventBridgeClient", Stubber],
) -> None:
    client, stub = events
    stub.add_response("list_targets_by_rule", {"Targets": [{"Id": "t", "Arn": "arn:f"}]})
    stub.add_response("remove_targets", LEFT_OUT)
    with pytest.raises(UnavailableError, match=r"did not remove the target .*\(it is busy\)"):
        Schedules(client, ADDRESSES).remove("notes")


def created_though_there(document: str, manager: str) -> None:
    """Create the corpus where SSM says that there is one, which is so."""
    client: SSMClient = boto3.client("ssm", region_name="us-east-1")
    parameter: dict[str, Any] = {"Name": "/u/corpora/notes", "Value": document}
    with Stubber(client) as stub:
        stub.add_client_error("put_parameter", "ParameterAlreadyExists", http_status_code=400)
        stub.add_response("get_parameter", {"Parameter": parameter})
        tags = [{"Key": "ManagedBy", "Value": manager}]
        stub.add_response("list_tags_for_resource", {"TagList": tags})
        CorpusDocuments(client, "/u/corpora").create(CORPUS)


def test_a_corpus_whose_first_answer_was_lost_is_added() -> None:
    created_though_there(corpus_document(CORPUS), COMMAND)


@pytest.mark.parametrize(
    ("document", "manager"), [("{}", COMMAND), (corpus_document(CORPUS), "terraform")]
)
def test_a_corpus_that_another_added_is_not_ones_own(document: str, manager: str) -> None:
    with pytest.raises(ConflictError, match="corpus notes was added by another"):
        created_though_there(document, manager)
