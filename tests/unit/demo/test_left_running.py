"""A failed demo stops what it started, and nothing else."""

import io
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.demo.stack import left_running
from scripts.demo.steps import Steps
from scripts.processes.errors import PortTakenError
from scripts.processes.ports import free_port
from scripts.processes.process import PORT, BackgroundServer


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """A failing block ignores signals from then on, as its process is about to end."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def a_server(directory: Path) -> BackgroundServer:
    port = free_port()
    return BackgroundServer(
        title=f"server {directory.name}",
        command=(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", PORT),
        environment={},
        directory=directory,
        port=port,
        health_path="/",
        port_setting="SOME_PORT",
    )


@contextmanager
def held(port: int) -> Iterator[None]:
    """For the block, another program listens on a port, takes calls and never answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[BackgroundServer, BackgroundServer]]:
    pair = (a_server(tmp_path / "one"), a_server(tmp_path / "two"))
    yield pair
    for server in pair:
        server.stop()


def test_when_all_goes_well_they_go_on(servers: tuple[BackgroundServer, BackgroundServer]) -> None:
    with left_running(servers, Steps(io.StringIO())) as found:
        assert [one.server for one in found] == list(servers)
        assert all(one.is_new for one in found)
    assert all(server.running_pid() for server in servers)


def test_a_taken_port_is_said_and_another_used(
    servers: tuple[BackgroundServer, BackgroundServer],
) -> None:
    stream = io.StringIO()
    with (
        held(servers[1].port),
        left_running(servers, Steps(stream)) as [_, second],
    ):
        assert second.avoided_port == servers[1].port
        assert second.server.is_healthy()
    assert f"port {servers[1].port} is taken by another program" in stream.getvalue()
    assert second.server.url in stream.getvalue()


def test_a_fixed_port_that_is_taken_stops_the_one_before(
    servers: tuple[BackgroundServer, BackgroundServer],
) -> None:
    first, second = servers[0], replace(servers[1], is_port_fixed=True)
    with (
        held(second.port),
        pytest.raises(PortTakenError, match="is taken"),
        left_running((first, second), Steps(io.StringIO())),
    ):
        pytest.fail("the block must not be entered")
    assert first.running_pid() is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_what_ran_before_and_only_that(
    servers: tuple[BackgroundServer, BackgroundServer], error: type[BaseException]
) -> None:
    first, second = servers
    first.start()
    pid = first.running_pid()
    stream = io.StringIO()
    with pytest.raises(error), left_running(servers, Steps(stream)) as found:
        assert [one.is_new for one in found] == [False, True]
        raise error
    assert first.running_pid() == pid
    assert second.running_pid() is None
    assert "ran already" in stream.getvalue()
