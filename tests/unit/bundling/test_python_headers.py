"""Looking for the C headers of a Python."""

from pathlib import Path

import pytest

from scripts.build_support import BuildError
from scripts.bundling.native.python_headers import (
    find_headers,
    foreign_include_folders,
    require_headers,
)


def make_headers(folder: Path, version: tuple[int, int], pyconfig: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "Python.h").touch()
    (folder / "pyconfig.h").write_text(pyconfig)
    (folder / "patchlevel.h").write_text(
        f"#define PY_MAJOR_VERSION\t{version[0]}\n#define PY_MINOR_VERSION {version[1]}\n"
    )
    return folder


def test_found_beside_a_folder_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    headers = make_headers(tmp_path / "include" / "python3.77", (3, 77))
    assert find_headers((3, 77)) == headers


def test_found_behind_the_shims_of_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/shims")
    for patch in (1, 2):
        make_headers(tmp_path / f"versions/3.77.{patch}/include/python3.77", (3, 77))
    assert find_headers((3, 77)).parent.parent.name == "3.77.2"


def test_a_folder_with_another_version_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    make_headers(tmp_path / "include" / "python3.77", (3, 76))
    with pytest.raises(BuildError, match=r"apt install python3\.77-dev.*--python-headers"):
        find_headers((3, 77))


def test_a_named_folder_is_checked(tmp_path: Path) -> None:
    headers = make_headers(tmp_path / "here", (3, 12))
    assert require_headers(headers, (3, 12)) == headers
    with pytest.raises(BuildError, match=r"holds no C headers of Python 3\.13"):
        require_headers(headers, (3, 13))
    with pytest.raises(BuildError, match="nowhere holds no C headers"):
        require_headers(tmp_path / "nowhere", (3, 12))


WRAPPER = "# include <aarch64-linux-gnu/python3.12/pyconfig.h>\n"


def test_debians_wrapper_gets_the_own_machines_file(tmp_path: Path) -> None:
    headers = make_headers(tmp_path / "include/python3.12", (3, 12), WRAPPER)
    own = tmp_path / "include/x86_64-linux-gnu/python3.12/pyconfig.h"
    own.parent.mkdir(parents=True)
    own.write_text("#define OWN")
    scratch = tmp_path / "scratch"
    folders = foreign_include_folders(headers, "aarch64-linux-gnu", scratch)
    assert folders == [scratch, headers]
    copied = scratch / "aarch64-linux-gnu/python3.12/pyconfig.h"
    assert copied.read_text() == "#define OWN"


def test_plain_headers_are_used_as_they_are(tmp_path: Path) -> None:
    headers = make_headers(tmp_path / "include/python3.12", (3, 12), "#define PLAIN")
    assert foreign_include_folders(headers, "aarch64-linux-gnu", tmp_path) == [headers]


def test_a_wrapper_without_its_file_is_named(tmp_path: Path) -> None:
    headers = make_headers(tmp_path / "include/python3.12", (3, 12), WRAPPER)
    with pytest.raises(BuildError, match="which is not installed"):
        foreign_include_folders(headers, "aarch64-linux-gnu", tmp_path / "scratch")
