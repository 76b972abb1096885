"""Virtual environments are made for real: once, again when stale, never half."""

from pathlib import Path

import pytest

from scripts.environments import (
    CONSTRAINTS,
    Environment,
    EnvironmentMakingError,
    is_current,
    make,
)

EMPTY = Environment("empty", ".venv-empty", "requirements/empty.txt")


def test_an_environment_is_made_once_and_a_failure_leaves_no_stamp(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / CONSTRAINTS).write_text("boto3==1.0\n")
    (tmp_path / EMPTY.requirements).write_text("# nothing\n")
    assert make(EMPTY, tmp_path)
    assert is_current(EMPTY, tmp_path)
    marker = tmp_path / EMPTY.directory / "marker"
    marker.touch()
    assert not make(EMPTY, tmp_path)
    assert marker.exists(), "a current environment is left as it is"

    (tmp_path / EMPTY.requirements).write_text("./no-such-directory\n")
    assert not is_current(EMPTY, tmp_path)
    with pytest.raises(EnvironmentMakingError, match=r"(?s)Installing .*failed.*no-such-directory"):
        make(EMPTY, tmp_path)
    assert not marker.exists(), "a stale one is made again"
    assert not is_current(EMPTY, tmp_path)
