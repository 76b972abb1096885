"""Servers on this machine that outlive the command which started them.

A pid file names the process together with when it began, so a number that the system has given to
another program since is never signalled; it names the port too, so that later commands find it.
"""

import errno
import json
import os
import shutil
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import trustme

from scripts.processes.errors import LocalProcessError, PortTakenError
from scripts.processes.os_processes import (
    STOP_TIMEOUT_SECONDS,
    becomes_true,
    end_group,
    is_alive,
    live_group_members,
    process_identity,
    signal_group,
)
from scripts.processes.ports import ANY_PORT, free_port, is_listener, is_port_free

_HOST = "127.0.0.1"
HEALTH_TIMEOUT_SECONDS = 60.0
SHOWN_LOG_LINES = 5
# In a command or an environment, a separate word: the port on which the server is started.
PORT = "{port}"
# A free port can be taken by another program before the server has it, but hardly often in a row.
_PORT_ATTEMPTS = 5
# The system's words to a server, after which the port may soon be free again.
_ADDRESS_IN_USE = os.strerror(errno.EADDRINUSE)


@dataclass(frozen=True)
class BackgroundServer:
    """One server: how it is started, where it listens, and where its pid, log and files are.

    `title` reads in a sentence ("the local AWS"); `port_setting` is how a person chooses another
    port, and `is_port_fixed` says that one was chosen: then no other is used in its place.
    `environment` is all that the server sees of the environment; the directory it names as
    TMPDIR is made. In both it and the `command`, PORT stands for the port. With a `certificate`, a
    key and what vouches for it in one file that is made at every start, it listens for HTTPS.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    port: int
    health_path: str
    port_setting: str
    certificate: Path | None = None
    is_port_fixed: bool = False

    @property
    def url(self) -> str:
        """Base URL, without a slash at its end."""
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://{_HOST}:{self.port}"

    @property
    def log_path(self) -> Path:
        """Where standard output and standard error go."""
        return self.directory / "log.txt"

    @property
    def _pid_path(self) -> Path:
        return self.directory / "process.json"

    def running_pid(self) -> int | None:
        """The server's process id when it lives and is the one that was started here."""
        record = self._running_record()
        return record[0] if record else None

    def start(self, timeout_seconds: float = HEALTH_TIMEOUT_SECONDS) -> bool:
        """Start the server on its port unless it runs, and wait until it is healthy.

        Returns whether it was started. `ensure_running` takes another port where this one is taken.

        Raises PortTakenError when another program has the port, LocalProcessError when the server
        ends or stays silent; a server that was started here is ended then, also when a signal
        interrupts the wait.
        """
        record = self._running_record()
        if record:
            self._expect_reusable(*record, timeout_seconds)
            return False
        if not is_port_free(self.port):
            raise self._port_taken()
        self.directory.mkdir(parents=True, exist_ok=True)
        if "TMPDIR" in self.environment:
            Path(self.environment["TMPDIR"]).mkdir(parents=True, exist_ok=True)
        if self.certificate is not None:
            _write_certificate(self.certificate)
        with self.log_path.open("wb") as log:
            process = subprocess.Popen(
                [self._with_port(word) for word in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={name: self._with_port(text) for name, text in self.environment.items()},
                cwd=self.directory,
                start_new_session=True,
            )
        try:
            self._record(process.pid)
            self._wait_until_healthy(process, timeout_seconds)
        except BaseException:
            self.stop()
            process.wait()
            raise
        return True

    def stop(self) -> bool:
        """End the server and every process it started; whether there was one.

        Raises LocalProcessError when processes of it are left in spite of SIGKILL.
        """
        pid = self.running_pid()
        if pid is not None:
            signal_group(pid, signal.SIGTERM, leader_only=True)
            becomes_true(lambda: not is_alive(pid), STOP_TIMEOUT_SECONDS)
            end_group(pid, self.title)
        self._pid_path.unlink(missing_ok=True)
        return pid is not None

    def remove_files(self) -> None:
        """Remove its log and all that it kept on disk; it must have been stopped."""
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def is_healthy(self) -> bool:
        """Whether its health path answers 200 now."""
        try:
            with self._opener().open(self.url + self.health_path, timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _opener(self) -> urllib.request.OpenerDirector:
        """What asks it directly: the health of a server here is never asked through a proxy."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.certificate is not None:
            context = ssl.create_default_context(cafile=self.certificate)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        return urllib.request.build_opener(*handlers)

    def last_log_lines(self) -> str:
        """The end of its log, for an error message."""
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.strip().splitlines()[-SHOWN_LOG_LINES:])

    def where_last_started(self) -> "BackgroundServer":
        """This server on the port of its last start, whether or not it runs still."""
        record = self._last_record()
        return self if record is None else replace(self, port=record[1])

    def _last_record(self) -> tuple[int, int, str] | None:
        """Process id, port and identity of the last start that no stop has followed."""
        try:
            record = json.loads(self._pid_path.read_text(encoding="utf-8"))
            return int(record["pid"]), int(record["port"]), str(record["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _running_record(self) -> tuple[int, int] | None:
        """Process id and port of the live server that the pid file names."""
        record = self._last_record()
        if record is None:
            return None
        pid, port, identity = record
        return (pid, port) if process_identity(pid) == identity else None

    def _with_port(self, word: str) -> str:
        return str(self.port) if word == PORT else word

    def _port_taken(self) -> PortTakenError:
        return PortTakenError(
            f"Port {self.port}, which {self.title} needs, is taken by another program:"
            f" end that program or choose another port with {self.port_setting}."
        )

    def _answers_as(self, pid: int) -> bool:
        """Whether what answers at its URL is this process, and not another program's server."""
        return is_listener(self.port, live_group_members(pid)) and self.is_healthy()

    def _expect_reusable(self, pid: int, port: int, timeout_seconds: float) -> None:
        title = f"{_capitalised(self.title)} runs already (pid {pid})"
        if port != self.port:
            raise LocalProcessError(
                f"{title} on port {port}, and port {self.port} was asked for:"
                " stop it first with `make down`."
            )
        if not becomes_true(lambda: self._answers_as(pid), timeout_seconds):
            raise LocalProcessError(
                f"{title} but does not answer at {self.url}: stop it with `make down`."
            )

    def _record(self, pid: int) -> None:
        record = {"pid": pid, "identity": process_identity(pid), "port": self.port}
        self._pid_path.write_text(json.dumps(record) + "\n", encoding="utf-8")

    def _wait_until_healthy(self, process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
        ended_or_healthy = becomes_true(
            lambda: process.poll() is not None or self._answers_as(process.pid), timeout_seconds
        )
        if process.returncode is not None:
            if not is_port_free(self.port) or _ADDRESS_IN_USE in self.last_log_lines():
                raise self._port_taken()
            raise LocalProcessError(
                f"{_capitalised(self.title)} ended at once (status {process.returncode}); its"
                f" last words:\n{self.last_log_lines()}"
            )
        if not ended_or_healthy:
            raise LocalProcessError(
                f"{_capitalised(self.title)} did not answer at {self.url} within"
                f" {timeout_seconds:.0f} s; its last words:\n{self.last_log_lines()}"
            )


def _write_certificate(path: Path) -> None:
    """Write a key, its certificate for this machine's loopback address, and who vouches for it."""
    authority = trustme.CA()
    served = authority.issue_cert(_HOST)
    path.touch(mode=0o600)
    path.write_bytes(served.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes())


@dataclass(frozen=True)
class Running:
    """A server that runs, on the port where it listens.

    `is_new` says that it was started now; `avoided_port` is the one it was to have, when another
    program has that.
    """

    server: BackgroundServer
    is_new: bool
    avoided_port: int | None = None


def ensure_running(server: BackgroundServer) -> Running:
    """Start a server, or find it running; where its port is taken and not fixed, on another one.

    Raises LocalProcessError as `BackgroundServer.start` does.
    """
    wanted = server if server.is_port_fixed else server.where_last_started()
    if wanted.port == ANY_PORT:
        wanted = replace(wanted, port=free_port())
    present = wanted
    for _ in range(_PORT_ATTEMPTS - 1):
        try:
            is_new = present.start()
        except PortTakenError:
            if server.is_port_fixed:
                raise
            present = replace(present, port=free_port())
        else:
            return Running(present, is_new, None if present == wanted else wanted.port)
    return Running(present, present.start(), wanted.port)


def _capitalised(title: str) -> str:
    return title[:1].upper() + title[1:]
