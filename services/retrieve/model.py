"""The model that queries are embedded with, loaded at the first query that needs it."""

import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from shared.embedding.encoder import Encoder
from shared.embedding.model_files import DESCRIPTION_NAME, load_model_bundle
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.errors import CorruptObjectError, NotFoundError, SettingsError
from shared.models.manifest import ModelIdentity
from shared.models.model_bundle import ModelBundle
from shared.storage.object_store import ObjectStore


class DeployedModel:
    """One model bundle of the object store; safe under threads, each part is read once.

    It outlives the store's connections: `store` is asked for one whenever something is read.
    """

    def __init__(self, store: Callable[[], ObjectStore], prefix: str, directory: Path) -> None:
        self._store = store
        self._prefix = prefix
        self._directory = directory
        self._lock = threading.Lock()
        self._identity: ModelIdentity | None = None
        self._encoder: Encoder | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether `encoder` will answer at once."""
        return self._encoder is not None

    def identity(self) -> ModelIdentity:
        """Which model this is, known before its weights are here.

        Raises:
            SettingsError: the prefix holds no model.
            CorruptObjectError: its description cannot be read.
        """
        if self._identity is None:
            self._identity = self._read_description().identity
        return self._identity

    def encoder(self) -> Encoder:
        """The loaded model.

        Raises:
            SettingsError: the prefix holds no model.
            CorruptObjectError: a file of it is damaged.
        """
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder

    def _load(self) -> Encoder:
        try:
            model = load_model_bundle(self._store(), self._prefix, self._directory)
        except NotFoundError as error:
            raise self._missing() from error
        return OnnxEncoder(model)

    def _read_description(self) -> ModelBundle:
        key = self._prefix + DESCRIPTION_NAME
        try:
            return ModelBundle.model_validate_json(self._store().get(key).data)
        except NotFoundError as error:
            raise self._missing() from error
        except ValidationError as error:
            raise CorruptObjectError(f"{key} is no model bundle; upload the model again") from error

    def _missing(self) -> SettingsError:
        return SettingsError(
            f"MODEL_PREFIX names {self._prefix}, which holds no whole model; upload it there"
        )
