"""Pins and names of the layers."""

from pathlib import Path

import pytest

from scripts.build_support import BuildError
from scripts.bundling.layers import constraints_for, packages_of
from scripts.bundling.native_target import local_architecture, native_target
from scripts.bundling.targets import bundle_target


def write_constraints(root: Path, text: str) -> None:
    (root / "requirements").mkdir()
    (root / "requirements" / "constraints.txt").write_text(text)


def test_markers_are_those_of_the_target(tmp_path: Path) -> None:
    write_constraints(
        tmp_path,
        "# pins\nnumpy==1.0 ; python_full_version < '3.12'\n"
        "numpy==2.0 ; python_full_version >= '3.12'\n"
        "xet==3 ; platform_machine == 'aarch64'\n\nplain==1  # why\n",
    )
    assert constraints_for(tmp_path, bundle_target("aws")) == ["numpy==2.0", "xet==3", "plain==1"]


@pytest.mark.parametrize("line", ["numpy==", "-r other.txt", "a b"])
def test_a_line_that_is_no_pin_is_named(tmp_path: Path, line: str) -> None:
    write_constraints(tmp_path, f"ok==1\n{line}\n")
    with pytest.raises(BuildError, match=r"constraints\.txt holds '"):
        constraints_for(tmp_path, bundle_target("aws"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"constraints\.txt is missing"):
        constraints_for(tmp_path, bundle_target("aws"))


def test_packages_are_read_off_the_metadata() -> None:
    names = [
        "python/typing_extensions.py",
        "python/typing_extensions-4.0.dist-info/METADATA",
        "python/python_dateutil-2.9.0.post0.dist-info/METADATA",
    ]
    assert packages_of(names) == {"typing-extensions", "python-dateutil"}


def test_bundles_for_lambda_on_this_architecture_are_lambdas_in_all_else() -> None:
    aws, here = bundle_target("aws"), bundle_target("lambda")
    assert (here.python, here.glibc) == (aws.python, aws.glibc)
    assert here.architecture == local_architecture()
    machine = here.marker_environment["platform_machine"]
    platforms = [a for a in here.pip_arguments if a.startswith("--platform=")]
    assert platforms[0] == f"--platform=manylinux_2_34_{machine}"
    assert all(argument.endswith(f"_{machine}") for argument in platforms)
    native = native_target("lambda")
    assert native.suffix == f".cpython-312-{machine}-linux-gnu.so"
    assert native.zig_target == f"{machine}-linux-gnu.2.34"
