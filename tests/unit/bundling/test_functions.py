"""The mapping of functions agrees with the documented table, and services are checked."""

import re
from pathlib import Path

import pytest

from scripts.build_bundles import function_files, require_service
from scripts.build_support import BuildError, repository_root
from scripts.bundling.functions import FUNCTIONS


def test_mapping_is_the_table_of_the_architecture() -> None:
    text = (repository_root() / "docs/why/architecture.md").read_text()
    table = text.partition("## The line")[2].partition("## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\w, ]+) \|$", table, re.MULTILINE)
    assert {name: tuple(layers.split(", ")) for name, layers in rows} == dict(FUNCTIONS)


def test_a_missing_service_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"function fetch has no services/fetch/handler\.py"):
        require_service(tmp_path, "fetch")


def test_a_function_holds_its_service_and_the_library_and_no_more(tmp_path: Path) -> None:
    for name in (
        "services/__init__.py",
        "services/fetch/handler.py",
        "services/fetch/deep/__pycache__/x.cpython-311.pyc",
        "services/fetch/tests/test_x.py",
        "services/derive/handler.py",
        "shared/errors.py",
        "shared/__pycache__/errors.cpython-311.pyc",
        "tests/test_y.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(function_files(tmp_path, "fetch")) == [
        "services/__init__.py",
        "services/fetch/handler.py",
        "shared/errors.py",
    ]
