"""Which of a deployment's models a corpus is embedded with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import SettingsError
from shared.models.corpus import Corpus


@dataclass(frozen=True, slots=True)
class ModelPrefixes:
    """Where the deployed models lie in the object store: `models/<id>/<revision>/`.

    `default` is for corpora that name no model, `by_id` for those that do.
    """

    default: str
    by_id: Mapping[str, str] = field(default_factory=dict)

    def of(self, corpus: Corpus) -> str:
        """Return where the model of a corpus lies.

        Raises:
            SettingsError: the corpus names a model that is not deployed.
        """
        if corpus.model is None:
            return self.default
        prefix = self._known.get(corpus.model)
        if prefix is None:
            raise SettingsError(
                f"corpus {corpus.name} names the model {corpus.model}, which is not among the "
                f"deployed ones: {', '.join(sorted(self._known))}; deploy it (terraform apply "
                "sets MODEL_PREFIXES) or name one of them in the corpus"
            )
        return prefix

    @property
    def all(self) -> frozenset[str]:
        """Where each deployed model lies."""
        return frozenset(self._known.values())

    @property
    def _known(self) -> Mapping[str, str]:
        return {self.default.split("/")[1]: self.default, **self.by_id}
