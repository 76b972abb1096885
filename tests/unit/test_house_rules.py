"""Rules of the house that no linter knows; pyproject.toml has those of imports (`make lint`)."""

import ast
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    path
    for folder in ("shared", "services")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


def reads_environment(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        for node in ast.walk(tree)
    )


def makes_clients(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "boto3"
        and node.attr in {"client", "resource", "Session"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def modules_that(do: Callable[[Path], bool]) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in MODULES if do(path)}


def test_only_pydantic_settings_reads_the_environment(tmp_path: Path) -> None:
    assert modules_that(reads_environment) == set()
    reader = tmp_path / "reader.py"
    reader.write_text("import os\nos.environ")
    assert reads_environment(reader)


def test_only_one_module_makes_clients() -> None:
    assert modules_that(makes_clients) == {"shared/platform/aws.py"}


def test_no_example_of_a_property_is_held_to_a_time() -> None:
    """How long one takes depends on the processor and on what else the machine does."""
    assert settings.default is not None
    assert settings.default.deadline is None
