"""localstack-host: found where it is named, missed in a sentence, and stopped after a failure."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from scripts.local_aws.report import REPORT_VARIABLE
from scripts.localstack.__main__ import NOT_THERE_STATUS, main
from scripts.localstack.host import (
    FOLDER_VARIABLE,
    LocalStackHost,
    LocalStackHostMissingError,
    find_localstack_host,
    pyenv_of,
    running_localstack,
)
from scripts.processes.errors import LocalProcessError
from scripts.processes.ports import free_port, is_port_free


@pytest.fixture
def host(tmp_path: Path) -> LocalStackHost:
    """One whose scripts note that they were called, with what."""
    folder = tmp_path / "localstack-host"
    folder.mkdir()
    for name in ("setup.sh", "start.sh", "stop.sh"):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho {name} "$@" >>"$HARNESS_WORK/calls"\n')
        script.chmod(0o755)
    return LocalStackHost(folder, tmp_path / "work")


def calls(host: LocalStackHost) -> list[str]:
    return (host.work / "calls").read_text().splitlines()


def test_it_lies_beside_the_repository_or_where_the_environment_says(
    host: LocalStackHost, tmp_path: Path
) -> None:
    named = find_localstack_host({FOLDER_VARIABLE: str(host.folder)}, tmp_path / "repository")
    assert named.folder == host.folder
    assert named.work == tmp_path / "repository" / ".local" / "localstack-host"
    (tmp_path / "shared").mkdir()
    host.folder.rename(tmp_path / "shared" / "localstack-host")
    beside = find_localstack_host({}, tmp_path / "repository")
    assert beside.folder == tmp_path / "shared" / "localstack-host"


def test_where_there_is_none_the_status_tells_it_from_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LocalStackHostMissingError, match=r"no setup\.sh, start\.sh, stop\.sh"):
        find_localstack_host({}, tmp_path)
    report = tmp_path / "report"
    monkeypatch.setenv(REPORT_VARIABLE, str(report))
    monkeypatch.setattr("scripts.localstack.host.BESIDE", tmp_path)
    assert main(["e2e"]) == NOT_THERE_STATUS
    assert NOT_THERE_STATUS not in {0, 1, *pytest.ExitCode}
    assert "LocalStack is not tested" in capsys.readouterr().err
    assert report.read_text().startswith("LocalStack: not tested")


def test_one_that_was_asked_for_and_is_not_there_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert main(["e2e"]) == 1
    assert FOLDER_VARIABLE in capsys.readouterr().err


def test_it_runs_for_the_block_and_is_stopped_when_that_fails(host: LocalStackHost) -> None:
    with pytest.raises(KeyError), running_localstack(host) as port:
        assert is_port_free(port)
        raise KeyError
    assert calls(host) == ["setup.sh", f"start.sh {port}", f"stop.sh {port}"]


def test_a_port_in_use_is_said_and_its_owner_left_alone(host: LocalStackHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
        with (
            pytest.raises(LocalProcessError, match=f"Port {port}.*--port"),
            running_localstack(host, port),
        ):
            pytest.fail("it started")
    assert calls(host) == ["setup.sh"]


def test_one_that_does_not_start_is_stopped_and_its_own_error_shown(host: LocalStackHost) -> None:
    (host.folder / "start.sh").write_text("""#!/bin/sh
mkdir -p "$HARNESS_WORK/run/$1"
echo "2026 ERROR cannot import x" >"$HARNESS_WORK/run/$1/localstack.log"
exit 1
""")
    port = free_port()
    with pytest.raises(
        LocalProcessError,
        match=r"(?s)start\.sh of localstack-host ended with status 1.*ERROR cannot import x",
    ):
        host.start(port)
    assert calls(host) == [f"stop.sh {port}"]


def test_one_that_is_never_ready_is_given_up(
    host: LocalStackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.localstack.host.START_DEADLINE_SECONDS", 0.5)
    (host.folder / "start.sh").write_text("#!/bin/sh\nsleep 601\n")
    with pytest.raises(LocalProcessError, match=r"start\.sh of localstack-host did not end within"):
        host.start(free_port())
    assert len(calls(host)) == 1


def test_a_port_lost_before_it_is_bound_is_made_up_for_by_another(
    host: LocalStackHost, tmp_path: Path
) -> None:
    """The first start finds that a stranger has taken the port meanwhile."""
    stranger = (
        "import os, socket, sys, time; os.setsid();"
        "held = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
        "open(sys.argv[2], 'w').write(str(os.getpid())); time.sleep(600)"
    )
    pid_path = tmp_path / "stranger"
    (host.folder / "start.sh").write_text(
        f"""#!/bin/sh
[ -e {pid_path} ] && exit 0
{sys.executable} -c "{stranger}" "$1" {pid_path} >/dev/null 2>&1 &
until [ -s {pid_path} ]; do sleep 0.05; done
exit 1
"""
    )
    try:
        with running_localstack(host) as port:
            lost = calls(host)[1].removeprefix("stop.sh ")
            assert lost != str(port)
            assert not is_port_free(int(lost))
    finally:
        os.kill(int(pid_path.read_text()), signal.SIGKILL)


def test_a_script_that_fails_is_quoted(host: LocalStackHost) -> None:
    (host.folder / "setup.sh").write_text("#!/bin/sh\necho no Python 3.13 found >&2; exit 1\n")
    with pytest.raises(LocalProcessError, match=r"(?s)status 1 .*no Python 3\.13 found"):
        host.set_up()


def test_the_persons_aws_does_not_reach_it(host: LocalStackHost) -> None:
    seen = host.environment({"AWS_PROFILE": "mine", "PATH": os.defpath, "JAVA_BIN": "/java"})
    assert not [name for name in seen if name.startswith("AWS_")]
    assert (seen["DYNAMODB_BACKEND"], seen["PROVIDER_OVERRIDE_CLOUDWATCH"]) == ("moto", "v1")
    assert seen["JAVA_BIN"] == "/java"


def test_other_pythons_are_looked_for_where_this_one_is_from(host: LocalStackHost) -> None:
    assert pyenv_of(Path("/opt/pyenv/versions/3.11.7")) == {"PYENV_ROOT": "/opt/pyenv"}
    assert pyenv_of(Path("/usr")) == {}
    assert host.environment({"PYENV_ROOT": "/mine"})["PYENV_ROOT"] == "/mine"
