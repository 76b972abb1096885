"""The wheel: it installs the command under one name, beside whatever else is installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = "raise ImportError('this is the package of another project')\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], check=True, cwd=folder)
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture
def packages(wheel: Path, tmp_path: Path) -> Path:
    """A folder of packages into which the wheel is installed, and others of the same names."""
    folder = tmp_path / "packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in ("shared", "services"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(FOREIGN)
    return folder


def run(packages: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys, ultron; sys.exit(ultron.main())"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(packages)},
        cwd=packages.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_takes_one_name_and_holds_the_command_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ultron"}
    services = {name.split("/")[3] for name in names if name.startswith("ultron/code/services/")}
    assert services == {"__init__.py", "cli"}


def test_the_command_runs_beside_other_packages_of_its_parts_names(packages: Path) -> None:
    shown = run(packages, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("usage: ultron")
    wrong = run(packages, "corpus", "list", "--outputs", "none.json")
    assert wrong.returncode == 2
    assert "none.json cannot be read" in wrong.stderr
