"""A running gateway, shared by the tests of a session and reset for each."""

from collections.abc import Iterator

import pytest

from examples.marvel import running_gateway
from tests.integration.marvel_example.gateway_client import WireClient


@pytest.fixture(scope="session")
def gateway_url() -> Iterator[str]:
    with running_gateway() as url:
        yield url


@pytest.fixture
def client(gateway_url: str) -> WireClient:
    """A client of the shared gateway, which is as new."""
    wire_client = WireClient(gateway_url)
    assert wire_client.send("POST", "/_control/reset").status == 200
    return wire_client
