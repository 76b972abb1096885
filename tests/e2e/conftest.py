"""One stack for the whole suite: deployed with every message sent twice, checked, destroyed."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from urllib3 import PoolManager

from scripts.demo.deployment import Deployment
from scripts.demo.stack import destroy, live_stack
from scripts.local_aws.server import CREDENTIALS, REGION
from scripts.marvel_gateway.expansion import demo_catalog
from scripts.marvel_gateway.wire import ENTITY_TYPES
from shared.models.run import RunProgress
from tests.e2e import shelf
from tests.e2e.leftovers import leftovers
from tests.e2e.stack import Stack

# Set to 1: the local AWS checks the role of every function, over TLS (`make e2e-auth`).
ENFORCE_VARIABLE = "ULTRON_ENFORCE_POLICIES"
# Taking permissions away shows nothing where nobody enforces them.
collect_ignore = [] if os.environ.get(ENFORCE_VARIABLE) == "1" else ["test_refusals.py"]
SINGULAR = {"series": "series", "stories": "story"}


def variables(deployment: Deployment) -> dict[str, Any]:
    """What the suite asks of its deployment.

    Every message is sent twice, failures come back at once, few shards are merged already, and
    there are four corpora, of which `notes-empty` is never ingested.
    """
    marvel = {"kind": "marvel", "base_url": deployment.gateway_url, "page_size": 20}
    notes = {"entity_type": "note"}
    return {
        "publish_copies": 2,
        "retry_delay_seconds": 0,
        "index_maintenance": {"compaction_fan_in": 4},
        # Sources that tests serve on ports of their own, besides the gateway.
        "outbound_allowed_hosts": ["127.0.0.1"],
        "default_corpus": "marvel",
        "corpora": {
            "marvel": {"source": marvel},
            "notes": {"source": {"kind": "jsonl", "prefix": "sources/notes/"}, "mapping": notes},
            "notes-empty": {"source": {"kind": "jsonl", "prefix": "sources/notes-empty/"}},
            shelf.CORPUS: {"source": shelf.SOURCE, "mapping": shelf.MAPPING},
        },
    }


def enforces_policies() -> bool:
    """Whether the local AWS of the suite shall check the role of every function."""
    wanted = os.environ.get(ENFORCE_VARIABLE, "") == "1"
    if wanted and os.environ.get("AWS_ENDPOINT_URL"):
        pytest.exit(
            f"{ENFORCE_VARIABLE} is for the local AWS that the suite starts itself, and"
            " AWS_ENDPOINT_URL names another: unset one of them.",
            returncode=2,
        )
    return wanted


def make_client(deployment: Deployment, service: str) -> Any:
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    certificate = deployment.certificate
    config = Config(s3={"addressing_style": "path"}, read_timeout=120, retries={"max_attempts": 2})
    make: Callable[..., Any] = session.client
    return make(
        service,
        endpoint_url=deployment.endpoint_url,
        config=config,
        verify=None if certificate is None else str(certificate),
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The deployed stack; its removal is part of the suite and must leave nothing."""
    directory = tmp_path_factory.mktemp("e2e")
    endpoint_url = os.environ.get("AWS_ENDPOINT_URL")
    with live_stack(
        directory, variables, endpoint_url=endpoint_url, enforce_policies=enforces_policies()
    ) as live:
        client = partial(make_client, live.deployment)
        yield Stack(
            outputs=live.outputs.model_dump(),
            deployment=live.deployment,
            api_url=live.api_url,
            gateway_url=live.deployment.gateway_url,
            http=PoolManager(retries=False, ca_certs=live.deployment.certificate),
            s3=client("s3"),
            sqs=client("sqs"),
            dynamodb=client("dynamodb"),
            lambdas=client("lambda"),
        )
        assert list(leftovers(client, live.deployment.name_prefix)) != [], "it looks nowhere"
        destroy(live.deployment)
        assert list(leftovers(client, live.deployment.name_prefix)) == []


@pytest.fixture(scope="session")
def poisoned(stack: Stack) -> dict[str, str]:
    """Put a message that is no job into every queue; its id by queue, and the `body`."""
    body = '{"kind": "poison"}'
    sent = {
        name.removesuffix("-jobs"): stack.sqs.send_message(QueueUrl=url, MessageBody=body)
        for name, url in stack.outputs["queue_urls"].items()
    }
    return {name: message["MessageId"] for name, message in sent.items()} | {"body": body}


@pytest.fixture(scope="session")
def marvel_run(stack: Stack, poisoned: dict[str, str]) -> RunProgress:
    """The first run over the whole corpus, poison messages in every queue notwithstanding."""
    return stack.ingest("marvel", "full")


@pytest.fixture(scope="session")
def source_keys() -> set[str]:
    """Entity keys of everything that the gateway serves, read without going through the line."""
    catalog = demo_catalog()
    return {
        f"{SINGULAR.get(kind, kind.removesuffix('s'))}:{entity['id']}"
        for kind in ENTITY_TYPES
        for entity in catalog.all(kind)
    }
