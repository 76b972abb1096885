"""One stack for the whole suite: deployed with every message sent twice, checked, destroyed."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import boto3
import localstack_client.session
import pytest
from botocore.config import Config
from urllib3 import PoolManager

from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.wire import ENTITY_TYPES
from scripts.demo.deployment import Deployment
from scripts.demo.errors import StackError
from scripts.demo.stack import destroy, live_stack
from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.local_aws.emulator_log import last_errors
from scripts.local_aws.report import keep_line
from scripts.local_aws.target import detect
from scripts.processes.errors import LocalProcessError
from shared.models.run import RunProgress
from tests.e2e import carried, shelf
from tests.e2e.leftovers import leftovers
from tests.e2e.stack import HTTP_TIMEOUT, Stack

# Set to 1: the local AWS checks the role of every function, over TLS (`make e2e-auth`).
ENFORCE_VARIABLE = "ULTRON_ENFORCE_POLICIES"
# Set to 1: so it does, and single permissions are taken away (`make refusals`), on a stack of its
# own, as what is refused there stays undone.
REFUSALS_VARIABLE = "ULTRON_REFUSALS"
TAKES_PERMISSIONS_AWAY = os.environ.get(REFUSALS_VARIABLE) == "1"
ENFORCES_POLICIES = TAKES_PERMISSIONS_AWAY or os.environ.get(ENFORCE_VARIABLE) == "1"
collect_ignore = [] if TAKES_PERMISSIONS_AWAY else ["test_refusals.py"]
SINGULAR = {"series": "series", "stories": "story"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Find out where the suite runs, and leave out what cannot be carried there."""
    ours = [item for item in items if "e2e" in item.path.parts]
    if ours:
        target = carried.named_target()
        if target is not None:
            config.stash[carried.NAMED] = target
        carried.mark_what_is_not_carried(ours, target)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with each test that fails, what the local AWS itself says went wrong."""
    report = yield
    errors = last_errors(item.config.stash.get(carried.LOG_PATH, None))
    if report.failed and errors:
        report.sections.append(("the local AWS", errors.lstrip()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that skipped anything without saying which defect it is for."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    silent = carried.unexplained(reporter)
    if silent:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"\nerror: skipped for no defect's name: {', '.join(silent)}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close with what was tested where: after pytest's own last line."""
    target = config.stash.get(carried.TESTED, None)
    if target is not None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        line = carried.closing_line(reporter, target)
        if ENFORCES_POLICIES:
            line += ", each function under its own role"
        reporter.write_line(line)
        keep_line(line)


def variables(deployment: Deployment) -> dict[str, Any]:
    """What the suite asks of its deployment.

    Every message is sent twice, failures come back at once, few shards are merged already, and
    there are four corpora, of which `notes-empty` is never ingested.
    """
    marvel = {"kind": "marvel", "base_url": deployment.source_url, "page_size": 20}
    notes = {"entity_type": "note"}
    return {
        "publish_copies": 2,
        "retry_delay_seconds": 0,
        "index_maintenance": {"compaction_fan_in": 4},
        # Sources that tests serve on separate ports, besides the gateway.
        "outbound_allowed_hosts": [machine_host(deployment)],
        "default_corpus": "marvel",
        "corpora": {
            "marvel": {"source": marvel},
            "notes": {"source": {"kind": "jsonl", "prefix": "sources/notes/"}, "mapping": notes},
            "notes-empty": {"source": {"kind": "jsonl", "prefix": "sources/notes-empty/"}},
            shelf.CORPUS: {"source": shelf.SOURCE, "mapping": shelf.MAPPING},
        },
    }


def machine_host(deployment: Deployment) -> str:
    """This machine as the functions call it."""
    return deployment.as_functions_see("127.0.0.1")


def enforces_policies() -> bool:
    """Whether the local AWS of the suite shall check the role of every function."""
    if ENFORCES_POLICIES and os.environ.get("AWS_ENDPOINT_URL"):
        pytest.exit(
            f"{ENFORCE_VARIABLE} and {REFUSALS_VARIABLE} are for the local AWS that the suite"
            " starts itself, and AWS_ENDPOINT_URL names another: unset that or these.",
            returncode=2,
        )
    return ENFORCES_POLICIES


def make_client(deployment: Deployment, service: str) -> Any:
    """A client of the deployment's AWS: LocalStack's own where that is what listens."""
    identity: dict[str, Any] = {name.lower(): value for name, value in CREDENTIALS.items()}
    config = Config(s3={"addressing_style": "path"}, read_timeout=120, retries={"max_attempts": 2})
    if deployment.target and deployment.target.kind == "LocalStack":
        host = urlsplit(deployment.endpoint_url).netloc
        local = localstack_client.session.Session(
            **identity, region_name=REGION, localstack_host=host
        )
        return local.client(service, config=config)
    make: Callable[..., Any] = boto3.Session(**identity, region_name=REGION).client
    certificate = deployment.certificate
    return make(
        service,
        endpoint_url=deployment.endpoint_url,
        config=config,
        verify=None if certificate is None else str(certificate),
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The deployed stack; its removal is part of the suite and must leave nothing."""
    directory = tmp_path_factory.mktemp("e2e")
    target = pytestconfig.stash.get(carried.NAMED, None)
    deployed = live_stack(directory, variables, target=target, enforce_policies=enforces_policies())
    with ExitStack() as closing:
        try:
            live = closing.enter_context(deployed)
        except (StackError, LocalProcessError) as error:
            pytest.exit(f"The stack cannot be brought up: {error}", returncode=1)
        pytestconfig.stash[carried.LOG_PATH] = live.deployment.log_path
        pytestconfig.stash[carried.TESTED] = target or detect(
            live.deployment.endpoint_url, live.deployment.certificate
        )
        client = partial(make_client, live.deployment)
        yield Stack(
            outputs=live.outputs.model_dump(),
            deployment=live.deployment,
            api_url=live.api_url,
            gateway_url=live.deployment.gateway_url,
            http=PoolManager(
                retries=False, timeout=HTTP_TIMEOUT, ca_certs=live.deployment.certificate
            ),
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
