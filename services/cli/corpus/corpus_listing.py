"""What there is to know of the corpora of a deployment."""

from dataclasses import dataclass
from typing import Any

from services.cli.corpus.schedules import Schedules, expressions_of
from services.cli.names import require_corpus_name
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusDocuments, StoredCorpus
from shared.errors import NotFoundError, SettingsError
from shared.foreign_json import parse_foreign_json
from shared.runs.run_reader import RunReader

_TERRAFORM = "terraform"


@dataclass(frozen=True, slots=True)
class CorpusListing:
    """Reads corpora, their schedules and their last runs."""

    documents: CorpusDocuments
    schedules: Schedules
    state: CorpusState
    runs: RunReader

    def all(self) -> dict[str, Any]:
        """Return `corpora`: of each its name, kind, schedule, who manages it, and its last run.

        Of a corpus whose document is not valid, `problem` says why.
        """
        return {"corpora": [self._summary(stored) for stored in self.documents.list()]}

    def one(self, name: str) -> dict[str, Any]:
        """Return the same of one corpus, with its `rules` and its `document`.

        Raises:
            NotFoundError: there is none of that name.
        """
        require_corpus_name(name)
        stored = self.documents.find(name)
        if stored is None:
            raise NotFoundError(
                f"there is no corpus named {name!r}; `ultron corpus list` names all"
            )
        return self._summary(stored) | {
            "parameter": stored.parameter,
            "rules": self.schedules.states(name),
            "document": _document(stored),
        }

    def _summary(self, stored: StoredCorpus) -> dict[str, Any]:
        summary: dict[str, Any] = {
            "name": stored.name,
            "kind": None,
            "schedule": {},
            "managed_by": stored.managed_by or _TERRAFORM,
            "last_run": self._last_run(stored.name),
        }
        try:
            corpus = stored.parse()
        except SettingsError as error:
            return summary | {"problem": str(error)}
        expressions = expressions_of(corpus, self.schedules.addresses)
        return summary | {
            "kind": corpus.source.kind,
            "schedule": {
                mode: expressions[kind]
                for mode, kind in (("incremental", "ingest"), ("full", "full"))
                if kind in expressions
            },
        }

    def _last_run(self, name: str) -> dict[str, Any] | None:
        latest = self.state.latest_run(name)
        if latest is None:
            return None
        try:
            run = self.runs.get_run(latest.run_id).run
        except NotFoundError:
            return None
        return run.model_dump(
            mode="json", include={"run_id", "mode", "status", "started_at", "ended_at", "reason"}
        )


def _document(stored: StoredCorpus) -> Any:
    try:
        return parse_foreign_json(stored.document)
    except ValueError:
        return stored.document
