"""Settings of the last three functions: one error that names every variable."""

import pytest

from services.embedder.settings import EmbedderSettings
from services.indexer.settings import IndexerSettings
from services.retrieve.settings import RetrieveSettings
from shared.errors import SettingsError
from shared.platform.settings import ServiceSettings


@pytest.mark.parametrize(
    ("settings", "variables"),
    [
        (
            EmbedderSettings,
            [
                "BUCKET_NAME",
                "CHECKPOINT_TABLE",
                "NEXT_QUEUE_URL",
                "COMPACT_QUEUE_URL",
                "MODEL_PREFIX",
                "CORPORA_PARAMETER_PATH",
            ],
        ),
        (IndexerSettings, ["BUCKET_NAME", "CHECKPOINT_TABLE"]),
        (
            RetrieveSettings,
            ["BUCKET_NAME", "CORPORA_PARAMETER_PATH", "DEFAULT_CORPUS", "MODEL_PREFIX"],
        ),
    ],
)
def test_every_missing_variable_is_named(
    settings: type[ServiceSettings], variables: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    for name in variables:
        assert f"{name}: Field required" in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "models/", "models/one/", "other/a/b/", "models/a/b"])
def test_a_malformed_model_prefix_is_refused(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PREFIX", prefix)
    with pytest.raises(SettingsError, match="MODEL_PREFIX"):
        EmbedderSettings.load()
