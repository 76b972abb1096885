"""Servers that outlive their command: started once, never confused with another process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from scripts.processes.errors import LocalProcessError, PortTakenError
from scripts.processes.os_processes import (
    becomes_true,
    live_group_members,
    process_identity,
    with_descendants,
)
from scripts.processes.ports import ANY_PORT, free_port, is_listener, is_port_free
from scripts.processes.process import PORT, BackgroundServer, ensure_running

ROOT = Path(__file__).resolve().parents[3]
IDENTITY_OF = "from scripts.processes.os_processes import process_identity;"
HTTP_SERVER = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


def server_in(directory: Path, command: tuple[str, ...] | None = None) -> BackgroundServer:
    port = free_port()
    return BackgroundServer(
        title="the test server",
        command=command or (*HTTP_SERVER, PORT),
        environment={},
        directory=directory / "server",
        port=port,
        health_path="/",
        port_setting="TEST_PORT",
    )


def test_a_server_is_started_found_again_and_stopped(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    assert server.running_pid() is None
    try:
        assert server.start()
        pid = server.running_pid()
        assert pid is not None
        assert not server.start()
        assert server.running_pid() == pid
    finally:
        assert server.stop()
    assert process_identity(pid) is None
    assert is_port_free(server.port)
    assert not server.stop()


def test_another_process_with_the_recorded_number_is_never_signalled(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        server.directory.mkdir()
        record = {"pid": stranger.pid, "identity": "an earlier process", "port": server.port}
        (server.directory / "process.json").write_text(json.dumps(record))
        assert server.running_pid() is None
        assert not server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"pid": "x", "identity": "y"}'])
def test_a_broken_pid_file_means_not_running(tmp_path: Path, text: str) -> None:
    server = server_in(tmp_path)
    server.directory.mkdir()
    (server.directory / "process.json").write_text(text)
    assert server.running_pid() is None


def test_a_taken_port_names_the_port_and_the_setting(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        with pytest.raises(LocalProcessError, match=f"Port {server.port}.*taken.*TEST_PORT"):
            server.start()
    assert not server.directory.exists()


# Serves on a port, its first argument, as a process that is not the server.
STRANGER = (
    "import http.server, os, sys; os.setsid();"
    "server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])),"
    " http.server.SimpleHTTPRequestHandler);"
    "print(os.getpid(), flush=True); server.serve_forever()"
)
# A server that is too late for its port the first time: a stranger has taken it since it was found
# free. Its arguments are the port, the folder, and what it does about the stranger.
TOO_LATE = f"""
import http.server, pathlib, subprocess, sys, time
port, folder, does = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
seen = folder / "stranger"
if not seen.exists():
    stranger = subprocess.Popen(
        [sys.executable, "-c", {STRANGER!r}, str(port)], stdout=subprocess.PIPE, text=True
    )
    seen.write_text(stranger.stdout.readline())
    if does == "stays":
        time.sleep(600)
http.server.HTTPServer(
    ("127.0.0.1", port), http.server.SimpleHTTPRequestHandler
).serve_forever()
"""


@pytest.fixture
def too_late(tmp_path: Path) -> Iterator[Callable[[str], BackgroundServer]]:
    """Makes a server whose port a stranger takes, who answers, between the look and the start."""

    def make(does: str) -> BackgroundServer:
        return server_in(tmp_path, (sys.executable, "-c", TOO_LATE, PORT, str(tmp_path), does))

    yield make
    with suppress(ProcessLookupError):
        os.kill(int((tmp_path / "stranger").read_text()), signal.SIGKILL)


def test_a_port_lost_before_it_is_bound_is_made_up_for_by_another(
    too_late: Callable[[str], BackgroundServer],
) -> None:
    server = too_late("fails")
    running = ensure_running(server)
    try:
        assert running.is_new
        assert running.avoided_port == server.port
        pid = running.server.running_pid()
        assert pid is not None
        assert is_listener(running.server.port, {pid})
        assert not is_listener(server.port, {pid})
    finally:
        running.server.stop()


def test_a_stranger_that_answers_at_the_port_is_not_taken_for_the_server(
    too_late: Callable[[str], BackgroundServer],
) -> None:
    server = too_late("stays")
    with pytest.raises(LocalProcessError, match="did not answer"):
        server.start(timeout_seconds=3)


@pytest.mark.parametrize("answers", [True, False])
def test_a_taken_port_is_avoided_unless_it_is_fixed(tmp_path: Path, answers: bool) -> None:
    server = server_in(tmp_path)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", server.port))
        stranger.listen()
        if answers:
            greeting = threading.Thread(target=_greet_once, args=(stranger,), daemon=True)
            greeting.start()
        running = ensure_running(server)
        try:
            assert running.avoided_port == server.port
            assert running.server.is_healthy()
            assert ensure_running(server) == replace(running, is_new=False, avoided_port=None)
        finally:
            running.server.stop()
        with pytest.raises(PortTakenError, match=f"Port {server.port}.*taken.*TEST_PORT"):
            ensure_running(replace(server, is_port_fixed=True))


def _greet_once(stranger: socket.socket) -> None:
    with suppress(OSError):  # closed without a call, at the end of the test
        stranger.accept()[0].sendall(b"HTTP/1.0 200 OK\r\n\r\n")


def test_a_server_that_died_comes_back_on_its_port(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    first = ensure_running(replace(server, port=ANY_PORT))
    pid = first.server.running_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    again = ensure_running(replace(server, port=ANY_PORT))
    try:
        assert (again.server.port, again.is_new) == (first.server.port, True)
    finally:
        again.server.stop()
    assert server.where_last_started() == server, "a stop is no start"


def test_a_server_on_another_port_is_not_taken_for_the_wanted_one(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    other = server_in(tmp_path)
    try:
        server.start()
        with pytest.raises(
            LocalProcessError, match=f"on port {server.port}, and port {other.port}"
        ):
            other.start()
    finally:
        server.stop()


def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    server = server_in(tmp_path, (sys.executable, "-c", "raise SystemExit('no such thing')"))
    with pytest.raises(LocalProcessError, match=r"(?s)ended at once \(status 1\).*no such thing"):
        server.start()
    assert server.running_pid() is None


def test_a_port_that_was_taken_for_a_moment_only_is_one_that_is_taken(tmp_path: Path) -> None:
    words = "import os, errno; raise SystemExit(os.strerror(errno.EADDRINUSE))"
    server = server_in(tmp_path, (sys.executable, "-c", words))
    with pytest.raises(PortTakenError):
        server.start()


def test_no_connection_of_another_program_can_take_a_free_port() -> None:
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(limits.read_text().split()[0]) if limits.exists() else 49_152
    assert all(1_024 < free_port() < first for _ in range(50))


def test_a_silent_server_is_ended(tmp_path: Path) -> None:
    server = server_in(tmp_path, (sys.executable, "-c", "__import__('time').sleep(600)"))
    with pytest.raises(LocalProcessError, match="did not answer"):
        server.start(timeout_seconds=0.3)
    assert server.running_pid() is None


def test_a_deaf_server_and_its_children_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.processes.process.STOP_TIMEOUT_SECONDS", 0.5)
    child = f"{DEAF} time.sleep(600)"
    parent = (
        "import subprocess, sys, http.server;"
        f"subprocess.Popen([sys.executable, '-c', {child!r}]);"
        f"{DEAF}"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])),"
        " http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    port = free_port()
    server = BackgroundServer(
        title="the deaf server",
        command=(sys.executable, "-c", parent, str(port)),
        environment={},
        directory=tmp_path / "server",
        port=port,
        health_path="/",
        port_setting="TEST_PORT",
    )
    server.start()
    pid = server.running_pid()
    assert pid is not None
    assert len(live_group_members(pid)) == 2
    assert server.stop()
    assert not live_group_members(pid)


def test_an_interrupted_start_leaves_nothing(tmp_path: Path) -> None:
    server = server_in(tmp_path, (sys.executable, "-c", "__import__('time').sleep(600)"))
    previous = signal.getsignal(signal.SIGALRM)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            server.start()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert server.running_pid() is None
    assert not list(server.directory.glob("process.json"))


def test_the_identity_of_a_process_is_stable_and_its_own() -> None:
    assert process_identity(os.getpid()) == process_identity(os.getpid())
    assert process_identity(os.getpid()) != process_identity(os.getppid())


def test_every_process_sees_the_same_identity() -> None:
    asked = [sys.executable, "-c", f"{IDENTITY_OF} print(process_identity({os.getpid()}))"]
    printed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == f"{process_identity(os.getpid())}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the time of day is all there is")
def test_an_identity_outlives_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = process_identity(os.getpid())
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)
    assert psutil.boot_time() == boot + 3600
    assert process_identity(os.getpid()) == before


def test_a_process_comes_before_those_below_it() -> None:
    grandchild = "__import__('time').sleep(600)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    process = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    try:
        assert becomes_true(lambda: len(with_descendants(process.pid)) == 2, 30)
        first, second = with_descendants(process.pid)
        assert (first.pid, second.ppid()) == (process.pid, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert with_descendants(process.pid) == []


def test_a_process_that_nobody_waited_for_counts_as_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_identity(child.pid) is None
    child.wait()
