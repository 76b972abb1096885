"""Parts side by side: outputs kept apart, one failure ends all or none, nothing outlives it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.processes.os_processes import becomes_true, process_identity
from scripts.side_by_side import environment_of_parts, main

# What a part does is the script of its name.
PART = "import pathlib, runpy, sys; runpy.run_path(str(pathlib.Path(sys.argv[1], sys.argv[2])))"
# `meet` waits until the other part is there too; `stay` until it is interrupted.
HEAD = """
import os, pathlib, sys, time
here = pathlib.Path(__file__).parent
def write(name, text=""):
    new = here / (name + "-new")
    new.write_text(text)
    new.rename(here / name)
def meet(own, other):
    write(own + "-is-here")
    while not (here / (other + "-is-here")).exists():
        time.sleep(0.01)
def stay():
    while True:
        time.sleep(0.01)
"""
WAIT_SECONDS = 30.0


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    run = f"{sys.executable} -c '{PART}' {tmp_path}"
    return [sys.executable, "-m", "scripts.side_by_side", "--command", run]


def define(directory: Path, name: str, *lines: str) -> None:
    (directory / name).write_text("\n".join((HEAD, *lines)))


def run(command: list[str], *parts: str) -> tuple[int, str]:
    done = subprocess.run(
        [*command, *parts], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def order(text: str, *words: str) -> list[int]:
    return [text.index(word) for word in words]


def test_parts_run_at_the_same_time_and_each_output_is_whole(
    command: list[str], tmp_path: Path
) -> None:
    for own, other in (("left", "right"), ("right", "left")):
        define(
            tmp_path, own,
            f"print('{own} one', flush=True)", f"meet('{own}', '{other}')",
            f"print('{own} two', file=sys.stderr)",
        )  # fmt: skip
    status, printed = run(command, "left:60", "right:60")
    assert status == 0, printed
    for own in ("left", "right"):
        assert f"== {own}\n{own} one\n{own} two\n== {own}: done in " in printed
    assert "== all 2 parts: done in " in printed


def test_a_lane_runs_one_part_after_the_other(command: list[str], tmp_path: Path) -> None:
    define(tmp_path, "first", "write('first-is-done')")
    define(tmp_path, "second", "print((here / 'first-is-done').exists())")
    status, printed = run([*command, "--lanes", "1"], "first:60", "second:60")
    assert status == 0, printed
    assert "== second\nTrue\n" in printed


def test_the_next_part_takes_the_lane_that_is_free_first(
    command: list[str], tmp_path: Path
) -> None:
    define(tmp_path, "long", "meet('long', 'third')")
    define(tmp_path, "second", "pass")
    define(tmp_path, "third", "meet('third', 'long')")
    status, printed = run(command, "long:60", "second:60", "third:60")
    assert status == 0, printed


def test_a_failure_ends_the_rest_and_its_output_comes_last(
    command: list[str], tmp_path: Path
) -> None:
    define(tmp_path, "broken", "meet('broken', 'slow')", "print('it broke')", "sys.exit(7)")
    define(
        tmp_path, "slow",
        "try:", "    meet('slow', 'broken')", "    stay()",
        "except KeyboardInterrupt:", "    print('cleared up')", "    raise SystemExit(3)",
    )  # fmt: skip
    define(tmp_path, "later", "write('later-ran')")
    status, printed = run(command, "slow:60", "broken:60", "later:60")
    assert status == 7
    places = order(printed, "broken FAILED (status 7); slow must end", "cleared up", "it broke")
    assert places == sorted(places), printed
    assert printed.splitlines()[-1].startswith("== all 3 parts: FAILED (status 7: broken) in ")
    assert not (tmp_path / "later-ran").exists()


def test_every_part_still_runs_when_it_is_to_keep_going(command: list[str], tmp_path: Path) -> None:
    define(tmp_path, "broken", "print('it broke')", "sys.exit(7)")
    define(tmp_path, "broken-too", "print('it broke too')", "sys.exit(8)")
    define(tmp_path, "later", "print('later ran')")
    status, printed = run(
        [*command, "--keep-going", "--lanes", "1"], "broken:60", "broken-too:60", "later:60"
    )
    assert status == 7
    places = order(printed, "it broke\n", "it broke too", "later ran", "== all 3 parts: FAILED")
    assert places == sorted(places), printed
    assert printed.splitlines()[-1].startswith(
        "== all 3 parts: FAILED (status 7: broken, broken-too) in "
    )


def test_an_interrupt_ends_every_part(command: list[str], tmp_path: Path) -> None:
    names = ("left", "right")
    for name in names:
        define(
            tmp_path, name,
            "try:", f"    write('{name}-pid', str(os.getpid()))", "    stay()",
            "except KeyboardInterrupt:", f"    print('{name} cleared up')", "    raise",
        )  # fmt: skip
    process = subprocess.Popen(
        [*command, "left:60", "right:60", "later:60"], stdout=subprocess.PIPE, text=True
    )
    paths = [tmp_path / f"{name}-pid" for name in names]
    try:
        assert becomes_true(lambda: all(path.exists() for path in paths), WAIT_SECONDS)
    finally:
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert [name for name in names if f"{name} cleared up" in printed] == list(names)
    assert [process_identity(int(path.read_text())) for path in paths] == [None, None]
    assert "later" not in printed


def test_a_deadline_ends_a_part_and_says_what_ran(command: list[str], tmp_path: Path) -> None:
    define(tmp_path, "endless", "stay()")
    define(tmp_path, "endless-too", "stay()")
    status, printed = run(command, "endless:0.5", "endless-too:60", "unreached:60")
    assert status == 124
    assert "== the deadline is over; running then:" in printed
    assert PART[:21] in printed[printed.index("running then:") :]
    assert "unreached begins" not in printed


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["unit"], "'unit' is no part: write its name and its deadline in seconds"),
        (["unit:soon"], "'unit:soon' is no part"),
        (["unit:1 lint:1"], "'unit:1 lint:1' is no part"),
        ([], "the following arguments are required: PART"),
        (["unit:1", "--lanes", "0"], "--lanes is 0; one part at least must run"),
        (["unit:1", "lint:1", "unit:2"], "a part stands there twice: unit lint unit"),
    ],
)
def test_parts_that_cannot_be_read_are_said(
    parts: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--command", "true", *parts])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ("", ""),
        (" -j4 --jobserver-auth=3,4 -- PYTEST_OPTIONS=-x", " -- PYTEST_OPTIONS=-x"),
        ("k -j --jobserver-auth=fifo:/tmp/x --no-print-directory", "k --no-print-directory"),
        ("-- PYTEST_OPTIONS=-jx", "-- PYTEST_OPTIONS=-jx"),
    ],
)
def test_the_parts_know_of_no_job_server(flags: str, kept: str) -> None:
    present = {"PATH": os.environ["PATH"], "MAKEFLAGS": flags}
    assert environment_of_parts(present) == {**present, "MAKEFLAGS": kept}
