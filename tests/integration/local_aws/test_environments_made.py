"""Virtual environments are made for real: once, again when stale, never half."""

from pathlib import Path

import pytest

from scripts.environments import (
    TORCH,
    TORCH_FOR_CPU,
    Environment,
    EnvironmentMakingError,
    is_current,
    make,
)
from tests.toy_wheel import write_wheel

EMPTY = Environment("empty", ".venv-empty")
WITH_TORCH = Environment("with-torch", ".venv-with-torch", installs_torch=True)


def test_an_environment_is_made_once_and_a_failure_leaves_no_stamp(tmp_path: Path) -> None:
    locked = tmp_path / EMPTY.locked
    locked.parent.mkdir(parents=True)
    locked.write_text("# nothing\n")
    assert make(EMPTY, tmp_path)
    assert is_current(EMPTY, tmp_path)
    marker = tmp_path / EMPTY.directory / "marker"
    marker.touch()
    assert not make(EMPTY, tmp_path)
    assert marker.exists(), "a current environment is left as it is"

    locked.write_text("./no-such-directory\n")
    assert not is_current(EMPTY, tmp_path)
    with pytest.raises(EnvironmentMakingError, match=r"(?s)Installing .*failed.*no-such-directory"):
        make(EMPTY, tmp_path)
    assert not marker.exists(), "a stale one is made again"
    assert not is_current(EMPTY, tmp_path)


def write_locked(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ("# locked", *lines)))


def test_torch_for_the_cpu_goes_before_the_other_and_a_changed_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    plain = write_wheel(wheels, "torch", "1.0")
    for_cpu = write_wheel(wheels, "torch", "1.0+cpu")
    write_locked(tmp_path / WITH_TORCH.locked)
    write_locked(tmp_path / TORCH, f"torch==1.0 --hash=sha256:{plain}")
    write_locked(tmp_path / TORCH_FOR_CPU, f"torch==1.0+cpu --hash=sha256:{for_cpu}")
    installed = tmp_path / WITH_TORCH.directory
    assert make(WITH_TORCH, tmp_path)
    assert [path.name for path in installed.rglob("torch-*")] == ["torch-1.0+cpu.dist-info"]

    write_locked(tmp_path / TORCH_FOR_CPU, f"torch==1.0+cpu --hash=sha256:{plain}")
    with pytest.raises(EnvironmentMakingError, match="DO NOT MATCH THE HASHES"):
        make(WITH_TORCH, tmp_path)
    assert not list(installed.rglob("torch-*"))

    (wheels / "torch-1.0+cpu-py3-none-any.whl").unlink()
    assert make(WITH_TORCH, tmp_path)
    assert [path.name for path in installed.rglob("torch-*")] == ["torch-1.0.dist-info"]
