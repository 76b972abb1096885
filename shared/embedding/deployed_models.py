"""The models of a deployment, each loaded when it is first needed and dropped when others are."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from shared.embedding.model_files import load_model_bundle, model_prefix, read_model_identity
from shared.embedding.model_prefixes import ModelPrefixes
from shared.embedding.onnx_encoder import OnnxEncoder
from shared.errors import CorruptObjectError, NotFoundError, SettingsError
from shared.models.corpus import Corpus
from shared.models.manifest import ModelIdentity
from shared.storage.object_store import ObjectStore

_logger = logging.getLogger(__name__)

# What the memory of a function has room for beside its other work.
LOADED_AT_ONCE = 2


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
        self._encoder: OnnxEncoder | None = None

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
            self._identity = read_model_identity(self._store(), self._prefix)
        return self._identity

    def encoder(self) -> OnnxEncoder:
        """The loaded model.

        Raises:
            SettingsError: the prefix holds no whole model.
            CorruptObjectError: a file of it is damaged.
        """
        with self._lock:
            encoder = self._encoder
            if encoder is None:
                encoder = self._encoder = self._load()
            return encoder

    def unload(self) -> None:
        """Drop the weights; a call that uses them goes on, and the next call loads them again."""
        self._encoder = None  # without the lock: no thread must wait for a load

    def _load(self) -> OnnxEncoder:
        try:
            model = load_model_bundle(self._store(), self._prefix, self._directory)
        except NotFoundError as error:
            raise SettingsError(
                f"there is no whole model at {self._prefix}: {error}; upload it again "
                "(terraform apply does)"
            ) from error
        return OnnxEncoder(model)


class DeployedModels:
    """Gives each corpus its model; of all, those that were last given out stay loaded.

    Safe under threads. `limit` bounds how many are loaded, but for what is at work this moment.
    """

    def __init__(
        self,
        store: Callable[[], ObjectStore],
        prefixes: ModelPrefixes,
        directory: Path,
        limit: int = LOADED_AT_ONCE,
    ) -> None:
        self._store = store
        self._prefixes = prefixes
        self._directory = directory
        self._limit = limit
        self._lock = threading.Lock()
        self._models: OrderedDict[str, DeployedModel] = OrderedDict()

    def default(self) -> DeployedModel:
        """Return the model of corpora that name none."""
        return self._given_out(self._prefixes.default)

    def of(self, corpus: Corpus) -> DeployedModel:
        """Return the model of a corpus, which nothing of is read yet.

        Raises:
            SettingsError: the corpus names a model that is not deployed.
        """
        return self._given_out(self._prefixes.of(corpus))

    def identity_of(self, corpus: Corpus) -> ModelIdentity:
        """Name the model of a corpus, without giving it out; raises like `of` and `identity`."""
        return self._model(self._prefixes.of(corpus)).identity()

    def identities(self) -> list[ModelIdentity]:
        """Name all deployed models; one that cannot be read is left out and logged."""
        found = []
        for prefix in sorted(self._prefixes.all):
            try:
                found.append(self._model(prefix).identity())
            except (SettingsError, CorruptObjectError) as error:
                _logger.warning("a deployed model is left out", extra={"reason": str(error)})
        return found

    def under(self, identity: ModelIdentity) -> DeployedModel:
        """Return the deployed model of this identity."""
        return self._given_out(model_prefix(identity))

    def _model(self, prefix: str) -> DeployedModel:
        with self._lock:
            if prefix not in self._models:
                self._models[prefix] = DeployedModel(self._store, prefix, self._directory)
                self._models.move_to_end(prefix, last=False)
            return self._models[prefix]

    def _given_out(self, prefix: str) -> DeployedModel:
        given = self._model(prefix)
        with self._lock:
            self._models.move_to_end(prefix)
            surplus = list(self._models.values())[: -self._limit]
        for model in surplus:
            model.unload()
        return given
