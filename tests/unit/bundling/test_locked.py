"""What requirements/locked/ holds, and that pip refuses a file that it does not name."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.build_support import BuildError
from scripts.bundling.functions import LAYERS
from scripts.bundling.locked import install_locked, locked_file, locked_tool, read_locked
from scripts.bundling.native.hnswlib_wheel import HNSWLIB_VERSION
from scripts.environments import ENVIRONMENTS, TORCH_FOR_CPU
from scripts.lock_requirements import UNCONSTRAINED, names_to_lock
from scripts.model_export.recipes import RECIPES, PackagedWeights
from tests.toy_wheel import write_wheel

ROOT = Path(__file__).resolve().parents[3]
NAMES = names_to_lock(ROOT)
INSTALLED_OTHERWISE = {"hnswlib", "torch"}  # the former is built, the latter one of two builds
AGAIN = "write requirements/locked/ once more: `make locked`"


def requirements_in(path: Path) -> list[Requirement]:
    """What a list asks for, and what the lists do that it includes."""
    found: list[Requirement] = []
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            found += requirements_in(path.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def locked_versions(name: str) -> dict[str, set[str]]:
    """The versions that a file locks, by package; two where they differ by Python."""
    versions: dict[str, set[str]] = defaultdict(set)
    for release in read_locked(locked_file(ROOT, name)):
        versions[canonicalize_name(release.name)].add(release.version)
    return versions


def test_each_environment_and_layer_is_locked() -> None:
    assert {*ENVIRONMENTS, *LAYERS, "build-tools"} <= set(NAMES)
    found = {path.stem for path in (ROOT / "requirements" / "locked").iterdir()}
    assert found == set(NAMES), AGAIN


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").rglob("*.t*")), ids=lambda path: path.stem
)
def test_no_file_names_an_index(path: Path) -> None:
    option = r"://|^ *-(-index|-extra-index|-find-links|i\b|f\b)"
    assert not re.search(option, path.read_text(), re.M)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_locked_with_hashes(name: str) -> None:
    releases = read_locked(locked_file(ROOT, name))
    assert all(release.sha256s for release in releases)
    versions = locked_versions(name)
    for wanted in requirements_in(ROOT / "requirements" / f"{name}.txt"):
        package = canonicalize_name(wanted.name)
        if package not in INSTALLED_OTHERWISE or name == package:
            locked = versions.get(package, set())
            assert locked, f"{name}.txt asks for {package}; {AGAIN}"
            assert all(map(wanted.specifier.contains, locked)), f"{package} in {name}.txt; {AGAIN}"


def test_each_constraint_decides_a_locked_version() -> None:
    hashed = {"hnswlib": {HNSWLIB_VERSION}}
    for recipe in RECIPES.values():
        if isinstance(recipe.weights, PackagedWeights):
            hashed[recipe.weights.project] = {recipe.weights.version}
    locked = [locked_versions(name) for name in NAMES if name not in UNCONSTRAINED]
    wanted: dict[str, set[str]] = defaultdict(set)
    for pin in requirements_in(ROOT / "requirements" / "constraints.txt"):
        wanted[canonicalize_name(pin.name)].add(str(pin.specifier).removeprefix("=="))
    for package, versions in wanted.items():
        found = [each[package] for each in (*locked, hashed) if package in each]
        assert found, f"nothing needs {package}; take it out of constraints.txt, or {AGAIN}"
        assert all(each <= versions for each in found), f"{package} is locked at {found}; {AGAIN}"


def test_a_package_has_the_same_version_wherever_it_is_locked() -> None:
    """But for checkov and the pages: torch stands beside an environment's other releases."""
    everywhere: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for name in set(NAMES) - UNCONSTRAINED:
        for release in read_locked(locked_file(ROOT, name)):
            everywhere[canonicalize_name(release.name), release.marker].add(release.version)
    assert {package for package, versions in everywhere.items() if len(versions) > 1} == set()


def test_both_builds_of_torch_are_of_one_version() -> None:
    [for_cpu] = read_locked(ROOT / TORCH_FOR_CPU)
    assert locked_versions("torch")["torch"] == {for_cpu.version.removesuffix("+cpu")}


def test_markers_and_hashes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "locked.txt"
    path.write_text(
        "# made by uv\n"
        f"a-b==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{'a' * 64} \\\n"
        f"    --hash=sha256:{'b' * 64}\nc==2!1+cpu \\\n    --hash=sha256:{'c' * 64}\n"
    )
    first, second = read_locked(path)
    assert (first.name, first.version, first.marker) == (
        "a-b",
        "1.0",
        "python_full_version < '3.12'",
    )
    assert first.requirement == f"a-b==1.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"
    assert (second.version, second.marker, second.sha256s) == ("2!1+cpu", None, ("c" * 64,))


@pytest.mark.parametrize(
    "line", ["a==1", f"a>=1 --hash=sha256:{'a' * 64}", "a==1 --hash=sha256:abc", "-r other.txt"]
)
def test_a_line_without_a_release_or_its_sha256_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "locked.txt"
    path.write_text(f"{line}\n")
    with pytest.raises(BuildError, match=r"locked\.txt holds '.*no release with a sha256"):
        read_locked(path)


def test_a_missing_file_and_a_missing_tool_are_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"build-tools\.txt is missing; `make locked` writes it"):
        locked_tool(tmp_path, "ziglang")
    with pytest.raises(BuildError, match=r"build-tools\.txt has no release of nothing"):
        locked_tool(ROOT, "nothing")


def test_a_changed_wheel_is_refused(tmp_path: Path) -> None:
    line = f"toy==1.0 --hash=sha256:{write_wheel(tmp_path, 'toy', '1.0')}"
    offline = ("--no-index", f"--find-links={tmp_path}")
    install_locked([line], tmp_path / "whole", "install the toy", offline)
    assert (tmp_path / "whole" / "toy.py").is_file()

    write_wheel(tmp_path, "toy", "1.0", "harmless = False")
    with pytest.raises(BuildError, match=r"could not install the toy: .*DO NOT MATCH.* toy==1\.0 "):
        install_locked([line], tmp_path / "changed", "install the toy", offline)
    assert not (tmp_path / "changed").exists()
    with pytest.raises(BuildError, match="could not install the toy"):
        install_locked(["toy==1.0"], tmp_path / "bare", "install the toy", offline)
