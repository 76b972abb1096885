"""Bytecode beside the sources of a bundle: used as it is, equal for equal sources, or not there."""

import marshal
import os
import stat
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType

import pytest

from scripts.build_bundles import about_bytecode, compiled_functions
from scripts.bundling.bytecode import BytecodeCompiler, bytecode_of, find_compiler

THIS_PYTHON = (sys.version_info.major, sys.version_info.minor)
HEADER_BYTES = 16
SOURCES = {
    "deep/__init__.py": b"",
    "deep/x.py": b"SAID = ('one', 2.5, frozenset({'a', 'b', 'c'}))\ndef say(name): return name\n",
    "y.py": b"from deep.x import SAID, say\nNAMES = ['one', 'say']\n",
    "notes.txt": b"no source",
}


@pytest.fixture(scope="module")
def compiler() -> BytecodeCompiler:
    found = find_compiler(THIS_PYTHON)
    assert found is not None
    return found


def unpack(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run_in(folder: Path, code: str) -> str:
    command = [sys.executable, "-I", "-S", "-B", "-c", f"import sys; sys.path[:0] = ['.']\n{code}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_every_source_and_nothing_else_has_bytecode(compiler: BytecodeCompiler) -> None:
    made = bytecode_of(SOURCES, "/opt", compiler)
    sources = ["deep/__init__.py", "deep/x.py", "y.py"]
    assert sorted(made) == sorted(cache_from_source(name) for name in sources)


def test_a_module_comes_from_its_bytecode_whatever_its_source_is(
    compiler: BytecodeCompiler, tmp_path: Path
) -> None:
    made = bytecode_of(SOURCES, "/opt", compiler)
    changed = dict.fromkeys(SOURCES, b"raise SystemExit('compiled once more')")
    folder = unpack(tmp_path, changed | made)
    os.utime(folder / "y.py", (1, 1))
    assert run_in(folder, "import y; print(y.say(y.SAID[0]))") == "one\n"


def test_equal_sources_make_equal_bytes_whatever_lies_beside_them(
    compiler: BytecodeCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bytecode_of(SOURCES, "/opt", compiler)
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    assert bytecode_of(SOURCES, "/opt", compiler) == made
    for name in ("deep/x.py", "y.py"):
        alone = bytecode_of({name: SOURCES[name]}, "/opt", compiler)
        assert alone == {cache_from_source(name): made[cache_from_source(name)]}


def test_bytecode_names_its_source_where_lambda_has_it(compiler: BytecodeCompiler) -> None:
    made = bytecode_of(SOURCES, "/var/task", compiler)
    code = marshal.loads(made[cache_from_source("deep/x.py")][HEADER_BYTES:])
    assert isinstance(code, CodeType)
    assert code.co_filename == "/var/task/deep/x.py"


def test_a_source_for_another_python_has_none(compiler: BytecodeCompiler) -> None:
    files = {"old.py": b"print 'Python 2'", "new.py": b""}
    assert list(bytecode_of(files, "/opt", compiler)) == [cache_from_source("new.py")]


def test_another_version_has_none_without_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler((3, 99)) is None
    # What pyenv puts there for a version that it does not run, and a Python of another version.
    for body in ("echo 'command not found' >&2; exit 127", "echo CPython 3.9.1"):
        script(tmp_path / "python3.99", body)
        assert find_compiler((3, 99)) is None
    assert bytecode_of(SOURCES, "/opt", None) == {}


def test_the_python_of_the_target_compiles_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "python3.99", "echo CPython 3.99.4")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler((3, 99)) == BytecodeCompiler(str(tmp_path / "python3.99"), "3.99.4")


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_function_has_bytecode_of_its_own_files_alone(
    compiler: BytecodeCompiler, tmp_path: Path
) -> None:
    names = ["services/__init__.py", "shared/errors.py"]
    own = {name: f"services/{name}/handler.py" for name in ("fetch", "derive")}
    unpack(tmp_path, dict.fromkeys([*names, *own.values()], b""))
    made = compiled_functions(tmp_path, own, compiler)
    for name, handler in own.items():
        sources = [*names, handler]
        assert set(made[name]) == {*sources, *map(cache_from_source, sources)}
    assert set(compiled_functions(tmp_path, ["fetch"], None)["fetch"]) == {*names, own["fetch"]}


def test_the_listing_says_whether_there_is_bytecode() -> None:
    assert "CPython 3.12.1" in about_bytecode("3.12.1", "python3.12")
    assert "no python3.12 is on the PATH" in about_bytecode(None, "python3.12")
