"""The wheel, made and installed as its page says: the command, beside whatever else there is."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.document_commands import commands_of, differences, script_of

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/how-to/install-the-command.md"
COMMANDS = commands_of(PAGE.read_text(encoding="utf-8"))
MARKER = "== ended with"
# What the wheel is made of.
OF_THE_WHEEL = ("pyproject.toml", "README.md", "LICENSE", "requirements", "services", "shared")
FOREIGN = "raise ImportError('this is the package of another project')\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in OF_THE_WHEEL:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def printed(checkout: Path) -> str:
    """What the commands of the page print, in a checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script_of(COMMANDS, MARKER)],
        env=environment,
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def wheel(checkout: Path, printed: str) -> Path:
    [found] = (checkout / "dist").glob("*.whl")
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


def test_the_page_builds_and_installs_the_command(printed: str) -> None:
    wrong = differences(PAGE.name, COMMANDS, printed, MARKER)
    assert not wrong, "\n\n".join(wrong)


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
