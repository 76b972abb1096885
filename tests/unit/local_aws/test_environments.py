"""Which environments are current, and what goes into them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import environments
from scripts.environments import (
    ENVIRONMENTS,
    STAMP_NAME,
    Environment,
    EnvironmentMakingError,
    check_machine,
    check_python,
    fingerprint,
    is_current,
)

EMPTY = Environment("empty", ".venv-empty")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose one environment needs no package."""
    (tmp_path / EMPTY.locked).parent.mkdir(parents=True)
    (tmp_path / EMPTY.locked).write_text("# nothing\n")
    return tmp_path


@pytest.mark.parametrize("version", [(3, 10), (3, 6), (2, 7)])
def test_an_old_python_is_told_which_is_needed(version: tuple[int, int]) -> None:
    with pytest.raises(EnvironmentMakingError, match=r"3\.11 or newer is needed"):
        check_python(version)


def test_this_python_serves() -> None:
    check_python((3, 11))
    check_python()


@pytest.mark.parametrize("machine", [("Linux", "aarch64"), ("Darwin", "arm64")])
def test_a_machine_without_a_wheel_is_told_where_there_is_one(machine: tuple[str, str]) -> None:
    with pytest.raises(EnvironmentMakingError) as raised:
        check_machine(ENVIRONMENTS["fuzz"], machine, (3, 11))
    assert f"on Linux x86_64 only, and this machine is {' '.join(machine)}" in str(raised.value)


def test_a_python_without_a_wheel_is_told_the_newest_that_has_one() -> None:
    with pytest.raises(EnvironmentMakingError, match=r"needs Python 3\.13 or older"):
        check_machine(ENVIRONMENTS["fuzz"], ("Linux", "x86_64"), (3, 14))


def test_most_environments_can_be_made_on_any_machine() -> None:
    check_machine(ENVIRONMENTS["fuzz"], ("Linux", "x86_64"), (3, 13))
    check_machine(ENVIRONMENTS["development"], ("Darwin", "arm64"), (3, 15))


@pytest.mark.parametrize("stamp", [None, "", "no json", "[]", '{"fingerprint": "other"}'])
def test_a_half_made_or_foreign_environment_is_not_current(
    checkout: Path, stamp: str | None
) -> None:
    directory = checkout / EMPTY.directory
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").touch()
    if stamp is not None:
        (directory / STAMP_NAME).write_text(stamp)
    assert not is_current(EMPTY, checkout)


def test_an_environment_whose_python_went_away_is_not_current(checkout: Path) -> None:
    directory = checkout / EMPTY.directory
    (directory / "bin").mkdir(parents=True)
    stamp = {"fingerprint": fingerprint(EMPTY, checkout)}
    (directory / STAMP_NAME).write_text(json.dumps(stamp))
    (directory / "bin" / "python").symlink_to(checkout / "gone")
    assert not is_current(EMPTY, checkout)


def test_an_unknown_name_ends_with_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, environments.__file__, "nope"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no environment 'nope'")
    assert len(done.stderr.splitlines()) == 1
