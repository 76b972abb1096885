"""The documents name the settings that the functions and the command read, and no others."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from services.cli.deployment.settings import CommandSettings
from shared.platform.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[3]
ARCHITECTURE = (ROOT / "docs/why/architecture.md").read_text(encoding="utf-8")
TABLE = ARCHITECTURE.partition("## Settings")[2].partition("\n## ")[0]
SERVICES = sorted(
    path.parent.name
    for path in (ROOT / "services").glob("*/settings.py")
    if path.parent.name != "cli"
)
# Set by Lambda itself.
OF_LAMBDA = re.compile("AWS_LAMBDA_")
# Read by libraries.
OF_LIBRARIES = {"AWS_ENDPOINT_URL", "OPENBLAS_NUM_THREADS", "LOG_LEVEL"}


def documented() -> set[str]:
    return names_in(TABLE)


def names_in(text: str) -> set[str]:
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}


def set_by_terraform() -> set[str]:
    """The variables that terraform/locals.tf gives to functions."""
    text = (ROOT / "terraform/locals.tf").read_text(encoding="utf-8")
    found = re.findall(r"(?:^\s+|\{ )([A-Z][A-Z_]+)\s+= ", text, re.M)
    return set(found)


def settings_of(service: str) -> set[str]:
    module = import_module(f"services.{service}.settings")
    [own] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, ServiceSettings)
        and kind.__module__ == module.__name__
    ]
    names = {name.upper() for name in own.model_fields}
    return {name for name in names if not OF_LAMBDA.match(name)}


@pytest.mark.parametrize("service", SERVICES)
def test_each_setting_is_documented(service: str) -> None:
    assert settings_of(service) - documented() == set()


def test_each_documented_setting_is_read() -> None:
    read = set.union(*(settings_of(service) for service in SERVICES))
    unread = {name for name in documented() - read if not name.startswith("POWERTOOLS_")}
    assert unread == OF_LIBRARIES


def test_the_page_says_which_settings_terraform_sets() -> None:
    sets, separator, leaves = TABLE.partition("\nNo variable of Terraform sets these")
    assert separator
    assert names_in(sets) == set_by_terraform()
    assert names_in(leaves).isdisjoint(set_by_terraform())


def test_no_setting_of_a_deployment_can_be_replaced_by_another_variable() -> None:
    text = (ROOT / "terraform/defaults.tf").read_text(encoding="utf-8")
    found = re.search(r"^  own_environment = \[\n(.*?)^  \]", text, re.M | re.S)
    assert found is not None
    assert re.findall(r'"(\w+)"', found[1]) == sorted(set_by_terraform())


def test_each_setting_of_the_command_is_documented() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    names = {name.upper() for name in CommandSettings.model_fields} - OF_LIBRARIES
    assert {name for name in names if f"`{name}`" not in text} == set()
