import pytest

from services.chunker.settings import ChunkerSettings
from shared.errors import SettingsError

COMPLETE = {
    "BUCKET_NAME": "bucket",
    "CHECKPOINT_TABLE": "table",
    "QUEUE_URL": "https://queue",
    "NEXT_QUEUE_URL": "https://next",
    "COMPACT_QUEUE_URL": "https://compact",
    "CORPORA_PARAMETER_PATH": "/ultron/corpora",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_fields_are_variables_in_capitals(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PUBLISH_COPIES", "2")
    settings = ChunkerSettings.load()
    assert (settings.bucket_name, settings.publish_copies) == ("bucket", 2)
    assert settings.maximum_receives == 5


def test_every_missing_variable_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("BUCKET_NAME")
    environment.delenv("NEXT_QUEUE_URL")
    with pytest.raises(SettingsError, match=r"BUCKET_NAME: .*NEXT_QUEUE_URL: ") as caught:
        ChunkerSettings.load()
    assert "CHECKPOINT_TABLE" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PUBLISH_COPIES", "many"), ("PUBLISH_COPIES", "4"), ("BUCKET_NAME", ""),
     ("MAXIMUM_RECEIVES", "0")],
)  # fmt: skip
def test_a_malformed_variable_is_named(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        ChunkerSettings.load()
