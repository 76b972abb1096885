"""Which environments are current, and what goes into them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import environments
from scripts.environments import (
    CONSTRAINTS,
    ENVIRONMENTS,
    STAMP_NAME,
    Environment,
    EnvironmentMakingError,
    check_machine,
    check_python,
    fingerprint,
    flatten_requirements,
    is_current,
    names_hnswlib,
)

EMPTY = Environment("empty", ".venv-empty", "requirements/empty.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose one environment needs no package."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / EMPTY.requirements).write_text("# nothing\n")
    (tmp_path / CONSTRAINTS).write_text("boto3==1.0\n")
    return tmp_path


def test_included_files_are_followed_and_comments_dropped(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("# all\n-r part.txt\n\nb[x]  # why\na\n")
    (tmp_path / "part.txt").write_text("a\nhnswlib\n")
    assert flatten_requirements(tmp_path / "all.txt") == ["a", "hnswlib", "b[x]"]


def test_a_missing_requirement_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("-r gone.txt\n")
    with pytest.raises(EnvironmentMakingError, match=r"gone\.txt is missing"):
        flatten_requirements(tmp_path / "all.txt")


@pytest.mark.parametrize("line", ["hnswlib", "HNSWLIB==0.8.0", "hnswlib >= 0.8", "hnswlib; a=='b'"])
def test_hnswlib_is_recognised(line: str) -> None:
    assert names_hnswlib(line)


@pytest.mark.parametrize("line", ["hnswlib-node", "numpy", "my-hnswlib", "hnswlib.extra", ""])
def test_other_packages_are_not_hnswlib(line: str) -> None:
    assert not names_hnswlib(line)


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}(==[0-9]+)?", fullmatch=True), unique=True))
def test_flattening_plain_lines_keeps_them(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("flat") / "requirements.txt"
    path.write_text("\n".join(lines))
    assert flatten_requirements(path) == lines


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
