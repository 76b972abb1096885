"""Servers on this machine that outlive the command which started them.

A pid file names the process together with when it began, so a number that the system has given to
another program since is never signalled.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trustme

_HOST = "127.0.0.1"
POLL_SECONDS = 0.05
HEALTH_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0
SHOWN_LOG_LINES = 5


class LocalProcessError(Exception):
    """A server cannot be started or stopped; the message is for the person at the terminal."""


@dataclass(frozen=True)
class BackgroundServer:
    """One server: how it is started, where it listens, and where its pid, log and files are.

    `title` reads in a sentence ("the local AWS"); `port_setting` is how a person chooses another
    port. `environment` is all that the server sees of the environment; the directory it names as
    TMPDIR is made. With a `certificate`, a key and what vouches for it in one file that is made at
    every start, it listens for HTTPS.
    """

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    port: int
    health_path: str
    port_setting: str
    certificate: Path | None = None

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
        """Start the server unless it runs, and wait until it is healthy; whether it was started.

        Raises LocalProcessError when the port is taken, or when the server ends or stays silent;
        a server that was started here is ended then, also when a signal interrupts the wait.
        """
        record = self._running_record()
        if record:
            self._expect_reusable(*record, timeout_seconds)
            return False
        if not is_port_free(self.port):
            raise LocalProcessError(
                f"Port {self.port}, which {self.title} needs, is taken by another program:"
                f" end that program or choose another port with {self.port_setting}."
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        if "TMPDIR" in self.environment:
            Path(self.environment["TMPDIR"]).mkdir(parents=True, exist_ok=True)
        if self.certificate is not None:
            _write_certificate(self.certificate)
        with self.log_path.open("wb") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
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
            becomes_true(lambda: not _is_alive(pid), STOP_TIMEOUT_SECONDS)
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

    def _running_record(self) -> tuple[int, int] | None:
        """Process id and port of the live server that the pid file names."""
        try:
            record = json.loads(self._pid_path.read_text(encoding="utf-8"))
            pid, port = int(record["pid"]), int(record["port"])
            identity = str(record["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (pid, port) if process_identity(pid) == identity else None

    def _expect_reusable(self, pid: int, port: int, timeout_seconds: float) -> None:
        title = f"{_capitalised(self.title)} runs already (pid {pid})"
        if port != self.port:
            raise LocalProcessError(
                f"{title} on port {port}, and port {self.port} was asked for:"
                " stop it first with `make down`."
            )
        if not becomes_true(self.is_healthy, timeout_seconds):
            raise LocalProcessError(
                f"{title} but does not answer at {self.url}: stop it with `make down`."
            )

    def _record(self, pid: int) -> None:
        record = {"pid": pid, "identity": process_identity(pid), "port": self.port}
        self._pid_path.write_text(json.dumps(record) + "\n", encoding="utf-8")

    def _wait_until_healthy(self, process: subprocess.Popen[bytes], timeout_seconds: float) -> None:
        ended_or_healthy = becomes_true(
            lambda: process.poll() is not None or self.is_healthy(), timeout_seconds
        )
        if process.returncode is not None:
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


def is_port_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nothing listens on; another program could still take it first."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process_identity(pid: int) -> str | None:
    """What tells a live process from an earlier or later one of the same number.

    None when there is no such process, or only the remains of one that nobody waited for.
    """
    if Path("/proc/self/stat").exists():
        fields = proc_stat(pid)
        if fields is None or fields[0] == "Z":
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        started = fields[
            19
        ]  # field 22 of proc(5): clock ticks since boot, which processes can share
        return f"{boot}/{pid}/{started}"
    listed = _ps("-o", "stat=,lstart=", "-p", str(pid)).split(maxsplit=1)
    is_alive = len(listed) == 2 and not listed[0].startswith("Z")
    return f"{pid}/{listed[1].strip()}" if is_alive else None


def live_group_members(group: int) -> set[int]:
    """The process ids of a process group, dead ones that nobody waited for left out."""
    if not Path("/proc/self/stat").exists():
        rows = [line.split() for line in _ps("-A", "-o", "pid=,pgid=,stat=").splitlines()]
        return {int(row[0]) for row in rows if int(row[1]) == group and row[2][0] != "Z"}
    members = set()
    for entry in Path("/proc").iterdir():
        fields = proc_stat(int(entry.name)) if entry.name.isdigit() else None
        if fields and fields[0] != "Z" and int(fields[2]) == group:
            members.add(int(entry.name))
    return members


def proc_stat(pid: int) -> list[str] | None:
    """Fields 3 and later of /proc/<pid>/stat (proc(5)), None when there is no such process.

    The name before them may hold spaces.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _ps(*options: str) -> str:
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout


def _is_alive(pid: int) -> bool:
    """Whether the process runs; collects its exit status when it is our own child."""
    with contextlib.suppress(ChildProcessError):  # an earlier command's child is not ours
        os.waitpid(pid, os.WNOHANG)
    return process_identity(pid) is not None


def end_group(group: int, title: str) -> None:
    """Kill what is left of a process group and wait until it is gone.

    Raises LocalProcessError when processes are left in spite of SIGKILL.
    """
    signal_group(group, signal.SIGKILL)
    if not becomes_true(lambda: not live_group_members(group), STOP_TIMEOUT_SECONDS):
        raise LocalProcessError(
            f"Processes of {title} are left: {sorted(live_group_members(group))}."
        )


def signal_group(pid: int, number: signal.Signals, *, leader_only: bool = False) -> None:
    """Signal a process group, or only the process that leads it; one that is gone is fine."""
    try:
        if leader_only:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
    except ProcessLookupError:
        return


def becomes_true(
    condition: Callable[[], bool], timeout_seconds: float, poll_seconds: float = POLL_SECONDS
) -> bool:
    """Ask until it is true or the time is over; the last answer."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True


def _capitalised(title: str) -> str:
    return title[:1].upper() + title[1:]
