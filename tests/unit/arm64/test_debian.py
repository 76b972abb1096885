"""Fetching Debian's arm64 packages: each thing that may be wrong is one sentence."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from scripts.arm64 import debian
from scripts.arm64.__main__ import CACHE_VARIABLE, main
from scripts.build_support import BuildError

Usage = namedtuple("Usage", "total used free")


def apt(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An apt-get of its own on the path."""
    folder.mkdir()
    program = folder / "apt-get"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    keyring = folder / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(debian, "KEYRING", keyring)


def test_a_full_disk_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**10, 10**10, 10**8))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    assert main([]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "has no room for Debian's arm64 packages; free 1,000 MB" in line


def test_a_disk_that_fills_while_fetching_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = "echo http://mirror.example/debian/"
    full = "echo 'E: Write error - write (28: No space left on device)' >&2; exit 100"
    apt(tmp_path / "bin", f'case "$*" in indextargets*) {mirror};; *) {full};; esac', monkeypatch)
    with pytest.raises(BuildError, match="the disk is full: apt-get could not read"):
        debian.ensure_arm64(tmp_path / "cache")


def test_a_machine_without_apt_is_told_where_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="run `make arm64` on Debian 12 or newer"):
        debian.ensure_arm64(tmp_path / "cache")


def test_an_apt_without_a_mirror_of_debian_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt(tmp_path / "bin", "echo http://mirror.example/ubuntu/", monkeypatch)
    with pytest.raises(BuildError, match="has no mirror of Debian"):
        debian.ensure_arm64(tmp_path / "cache")


def test_a_mirror_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = "echo http://mirror.example/debian/"
    away = "echo 'E: Could not connect to mirror.example' >&2; exit 100"
    apt(tmp_path / "bin", f'case "$*" in indextargets*) {mirror};; *) {away};; esac', monkeypatch)
    with pytest.raises(BuildError, match="Debian's list of arm64 packages: E: Could not connect"):
        debian.ensure_arm64(tmp_path / "cache")


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_a_cache_of_another_python_or_without_the_emulator_is_told(
    tmp_path: Path, machine: str
) -> None:
    binaries = tmp_path / "root" / "usr" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python3.14").touch()
    with pytest.raises(BuildError, match=r"hold python3\.14 where python3\.13 is needed"):
        debian.require_python(tmp_path)
    with pytest.raises(BuildError, match=f"qemu-{machine} is missing; delete"):
        debian.require_emulator(tmp_path, machine)
