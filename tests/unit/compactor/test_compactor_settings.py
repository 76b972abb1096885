"""Settings of the compactor: its policies, and one error that names every variable."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from services.compactor.settings import CompactorSettings
from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import InvalidInputError, SettingsError
from shared.index.maintenance.compaction_plan import CompactionPolicy

TERRAFORM = Path(__file__).resolve().parents[3] / "terraform"
REQUIRED = {
    "BUCKET_NAME": "b",
    "CHECKPOINT_TABLE": "t",
    "QUEUE_URL": "q",
    "COMPACT_QUEUE_URL": "q",
    "CORPORA_PARAMETER_PATH": "/ultron/corpora",
    "MODEL_PREFIX": "models/a/b/",
}
OPTIONAL = (
    "COMPACTION_FAN_IN",
    "SHARD_MINIMUM_MB",
    "SHARD_MAXIMUM_MB",
    "HISTORY_KEPT_DAYS",
    "REMOVED_GRACE_HOURS",
    "ORPHAN_GRACE_DAYS",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OPTIONAL:
        monkeypatch.delenv(name, raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def test_defaults() -> None:
    settings = CompactorSettings.load()
    assert settings.compaction_policy == CompactionPolicy(8, 25_000_000, 200_000_000)
    assert settings.garbage_policy.history_kept == timedelta(days=7)
    assert settings.garbage_policy.removed_grace == timedelta(hours=24)
    assert settings.garbage_policy.orphan_grace == timedelta(days=21)


@pytest.mark.parametrize(
    "name",
    [
        "compaction_fan_in", "shard_minimum_mb", "shard_maximum_mb", "history_kept_days",
        "removed_grace_hours", "orphan_grace_days", "retry_delay_seconds", "maximum_receives",
    ],
)  # fmt: skip
def test_a_default_is_that_of_the_terraform_variable(name: str) -> None:
    found = re.search(
        rf'variable "{name}" {{\n(?:  .*\n)*?  default +=(.+)\n|^      {name} += (.+)$',
        "".join((TERRAFORM / f).read_text("utf-8") for f in ("variables.tf", "defaults.tf")),
        re.M,
    )
    assert found is not None
    assert float(found[1] or found[2]) == CompactorSettings.model_fields[name].default


def test_policies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(OPTIONAL, ("4", "1", "2", "0", "1", "30"), strict=True):
        monkeypatch.setenv(name, value)
    settings = CompactorSettings.load()
    assert settings.compaction_policy == CompactionPolicy(4, 1_000_000, 2_000_000)
    assert settings.garbage_policy.history_kept == timedelta()
    assert settings.garbage_policy.removed_grace == timedelta(hours=1)
    assert settings.garbage_policy.orphan_grace == timedelta(days=30)


def test_the_deployed_models_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CompactorSettings.load().models == ModelPrefixes("models/a/b/", {})
    monkeypatch.setenv("MODEL_PREFIXES", '{"c": "models/c/d/"}')
    assert CompactorSettings.load().models == ModelPrefixes("models/a/b/", {"c": "models/c/d/"})


def test_every_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name)
    with pytest.raises(SettingsError) as caught:
        CompactorSettings.load()
    for name in REQUIRED:
        assert f"{name}: Field required" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMPACTION_FAN_IN", "1"),
        ("COMPACTION_FAN_IN", "65"),
        ("SHARD_MINIMUM_MB", "0"),
        ("SHARD_MAXIMUM_MB", "many"),
        ("HISTORY_KEPT_DAYS", "-1"),
        ("MODEL_PREFIX", "models/a/"),
        ("MODEL_PREFIXES", "models/a/b/"),
        ("MODEL_PREFIXES", '["models/a/b/"]'),
        ("MODEL_PREFIXES", '{"a": "models/a/"}'),
    ],
)
def test_a_malformed_variable_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        CompactorSettings.load()


def test_a_minimum_above_the_maximum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARD_MINIMUM_MB", "300")
    with pytest.raises(InvalidInputError, match="300000000 to 200000000"):
        assert CompactorSettings.load().compaction_policy
