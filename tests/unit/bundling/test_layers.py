"""Releases and names of the layers."""

from pathlib import Path

from scripts.bundling.layers import packages_of, releases_for
from scripts.bundling.locked import locked_file
from scripts.bundling.native.native_target import local_architecture, native_target
from scripts.bundling.targets import bundle_target

HASH = "--hash=sha256:" + "0" * 64


def test_markers_are_those_of_the_target(tmp_path: Path) -> None:
    path = locked_file(tmp_path, "core")
    path.parent.mkdir(parents=True)
    path.write_text(
        f"# locked\nnumpy==1.0 ; python_full_version < '3.12' \\\n    {HASH}\n"
        f"numpy==2.0 ; python_full_version >= '3.12' \\\n    {HASH}\n"
        f"xet==3 ; platform_machine == 'aarch64' \\\n    {HASH}\nplain==1 \\\n    {HASH}\n",
    )
    found = releases_for(tmp_path, "core", bundle_target("aws"))
    assert [release.requirement for release in found] == [
        f"numpy==2.0 {HASH}",
        f"xet==3 {HASH}",
        f"plain==1 {HASH}",
    ]


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
