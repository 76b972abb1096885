"""The dependency rules of docs/architecture.md, read off the imports of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
AWS_FREE = ("index", "text", "embedding", "models")
AWS_MODULES = ("boto3", "botocore", "shared.aws", "shared.state", "shared.messaging")
ALLOWED_IN_MODELS = ("shared.models", "shared.errors")
MODULES = sorted(
    path
    for folder in ("shared", "services")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def broken_rule(place: tuple[str, ...], name: str) -> str | None:
    """Say which rule an import of `name` breaks in the module at `place`."""
    match place:
        case ("shared", *_) if is_below(name, "services"):
            return "shared knows no service"
        case ("services", own, _, *_) if is_below(name, "services"):
            return None if name.split(".")[1:2] in ([], [own]) else "services do not meet"
        case ("shared", "models", *_) if is_below(name, "shared") and name != "shared":
            return None if name.startswith(ALLOWED_IN_MODELS) else "models are the ground floor"
        case ("shared", folder, *_) if folder in AWS_FREE:
            return "no AWS here" if any(is_below(name, m) for m in AWS_MODULES) else None
    return None


def violations(path: Path, source: Path = ROOT) -> list[str]:
    place = path.relative_to(source).with_suffix("").parts
    rules = ((name, broken_rule(place, name)) for name in imports_of(path))
    return [f"{name}: {rule}" for name, rule in rules if rule is not None]


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


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_house(path: Path) -> None:
    assert violations(path) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_settings_read_the_environment(path: Path) -> None:
    assert path.name == "settings.py" or not reads_environment(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_one_module_makes_clients(path: Path) -> None:
    assert path == ROOT / "shared" / "aws.py" or not makes_clients(path)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("shared/x.py", "from services.fetch import handler"),
        ("services/fetch/x.py", "import services.derive.handler"),
        ("services/fetch/x.py", "from services import derive"),
        ("shared/models/x.py", "from shared.storage import keys"),
        ("shared/index/x.py", "import boto3"),
        ("shared/text/x.py", "from shared import aws"),
    ],
)
def test_the_check_finds_what_it_is_for(tmp_path: Path, place: str, code: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(code)
    assert violations(path, tmp_path) != []


def test_no_example_of_a_property_is_held_to_a_time() -> None:
    """How long one takes depends on the processor and on what else the machine does."""
    assert settings.default is not None
    assert settings.default.deadline is None
