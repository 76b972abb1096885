"""Settings of the embedder."""

from pathlib import Path

from shared.platform.settings import ModelSettings, PublishingStageSettings


class EmbedderSettings(PublishingStageSettings, ModelSettings):
    """The models are copied to `model_dir`, each when it is first needed."""

    model_dir: Path = Path("/tmp/model")  # noqa: S108 - the writable folder of a function
