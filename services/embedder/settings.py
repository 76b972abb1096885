"""Settings of the embedder."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.settings import PublishingStageSettings


class EmbedderSettings(PublishingStageSettings):
    """`model_prefix` is `models/<id>/<revision>/`; the model is copied to `model_dir`."""

    model_prefix: Annotated[str, Field(pattern=r"^models/[^/]+/[^/]+/$")]
    model_dir: Path = Path("/tmp/model")  # noqa: S108 - the writable folder of a function
