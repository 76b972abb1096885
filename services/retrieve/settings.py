"""Settings of retrieve."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.models.base import CorpusName
from shared.settings import ServiceSettings


class RetrieveSettings(ServiceSettings):
    """What retrieve reads from its environment.

    `model_prefix` is `models/<id>/<revision>/`. The model and the shards are kept below
    `model_dir`. A manifest is looked at again after `manifest_recheck_seconds`.
    """

    bucket_name: Annotated[str, Field(min_length=1)]
    corpora_parameter_path: Annotated[str, Field(min_length=1)]
    default_corpus: CorpusName
    model_prefix: Annotated[str, Field(pattern=r"^models/[^/]+/[^/]+/$")]
    model_dir: Path = Path("/tmp/model")  # noqa: S108 - the writable folder of a function
    aws_lambda_function_version: str = "$LATEST"
    manifest_recheck_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
