"""Adding, changing and removing corpora by command."""

import contextlib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.cli.corpus.schedules import Rule, Schedules, rules_of
from services.cli.errors import RefusedError
from services.cli.names import require_corpus_name
from shared.corpora.corpus_state import CorpusState
from shared.corpora.documents import CorpusDocuments, StoredCorpus, corpus_document
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor, keep_all_runs_out
from shared.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    SettingsError,
)
from shared.index.manifest.generations import manifest_keys
from shared.models.corpus import Corpus
from shared.runs.run_store import RunStore
from shared.storage.object_store import ObjectStore

_LEASE_SECONDS = 900
_DELETED_PER_RENEWAL = 1000
# What an index is, and what it can be made from again.
_INDEX_PREFIXES = ("indexes/{}/", "embeddings/{}/")
_OTHER_PREFIXES = (
    "raw/{}/", "raw/_next/{}/", "raw/_gaps/{}/", "derived/{}/", "derived/_rejects/{}/",
    "chunks/{}/",
)  # fmt: skip


def _new_holder() -> str:
    return f"command-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class CorpusAdministration:
    """Changes the corpora that the command manages; each step may be repeated.

    `models` are the ids of those that the deployment has.
    The corpus's lease keeps runs away during a change.
    """

    documents: CorpusDocuments
    schedules: Schedules
    state: CorpusState
    floor: IndexFloor
    runs: RunStore
    versions: EntityVersions
    store: ObjectStore
    models: Collection[str]
    new_holder: Callable[[], str] = _new_holder

    def add(self, corpus: Corpus, *, replace: bool = False) -> dict[str, Any]:
        """Write a corpus and its rules; the same document again completes what was cut off.

        Returns:
            `corpus`, `change` (`added`, `replaced` or `unchanged`), the `rules`, and whether the
            next run `reads_again` all of the source.

        Raises:
            RefusedError: Terraform manages the corpus.
            ConflictError: there is another corpus of that name, and not `replace`.
            LeaseHeldError: a run is under way; names it.
            InvalidInputError: the name or the document is too long, a schedule is none, or the
                model is not deployed.
        """
        if corpus.model is not None and corpus.model not in self.models:
            raise InvalidInputError(
                f"the model {corpus.model} of corpus {corpus.name} is none of the deployed ones: "
                f"{', '.join(sorted(self.models))}"
            )
        rules = rules_of(corpus, self.schedules.addresses)
        document = corpus_document(corpus)
        stored = self.documents.find(corpus.name)
        if stored is not None:
            require_managed_here(stored)
            if stored.document != document and not replace:
                raise ConflictError(
                    f"there is a corpus {corpus.name} already, with another document; "
                    "--replace puts this one in its place, `ultron corpus show` shows that one"
                )
        if stored is None or stored.document == document:
            change, reads_again = self._write(corpus, stored, rules)
        else:
            with self._held(corpus.name):
                change, reads_again = self._write(corpus, stored, rules)
        return {
            "corpus": corpus.name,
            "change": change,
            "reads_again": reads_again,
            "rules": self.schedules.states(corpus.name),
        }

    def _write(
        self, corpus: Corpus, stored: StoredCorpus | None, rules: Mapping[str, Rule]
    ) -> tuple[str, bool]:
        """Write the rules, which find a wrong schedule, then the document, then the targets."""
        try:
            self.schedules.put_rules(rules)
        except InvalidInputError:
            self._undo_rules(corpus.name, stored)
            raise
        change, reads_again = "added", False
        if stored is None:
            self.documents.create(corpus)
        elif stored.document == corpus_document(corpus):
            change = "unchanged"
        else:
            change, reads_again = "replaced", _reads_again(stored, corpus)
            if reads_again:
                self.state.forget_progress(corpus.name)
            self.documents.replace(corpus)
        self.schedules.connect(corpus.name, rules)
        return change, reads_again

    def _undo_rules(self, name: str, stored: StoredCorpus | None) -> None:
        if stored is None:
            self.schedules.remove(name)
            return
        with contextlib.suppress(SettingsError):  # a document that says nothing of its rules
            former = rules_of(stored.parse(), self.schedules.addresses)
            self.schedules.put_rules(former)
            self.schedules.connect(name, former)

    def remove(self, name: str, *, delete_index: bool = False) -> dict[str, Any]:
        """Remove a corpus and its rules, and with `delete_index` its index and vectors.

        Its document goes last, so that a removal that was cut off can be done again.

        Returns:
            `corpus`, how many `objects_deleted`, and the prefixes of objects that `stay`.

        Raises:
            NotFoundError: there is none of that name.
            RefusedError: Terraform looks after it.
            LeaseHeldError: a run is under way; names it.
        """
        require_corpus_name(name)
        stored = self.documents.find(name)
        if stored is not None:
            require_managed_here(stored)
        elif not (self.schedules.states(name) or (delete_index and self._prefixes_of_index(name))):
            raise NotFoundError(f"there is no corpus named {name!r}")
        with self._held(name) as holder:
            self.schedules.remove(name)
            deleted = self._delete_index(name, holder) if delete_index else 0
            self.documents.delete(name)
        stay = self._filled(name, (*_INDEX_PREFIXES, *_OTHER_PREFIXES))
        return {"corpus": name, "objects_deleted": deleted, "stay": stay}

    def _delete_index(self, name: str, holder: str) -> int:
        """Delete an index, its vectors, and the state that makes a later corpus rely on them."""
        keep_all_runs_out(self.floor, self.state, name)
        latest = self.state.latest_run(name)
        if latest is not None:
            self.versions.forget_until(name, latest.seq)
        self.state.forget_progress(name)
        deleted = 0
        for key in self._index_keys(name):
            self.store.delete(key)
            deleted += 1
            if deleted % _DELETED_PER_RENEWAL == 0:
                # Deleting many objects outlasts a lease: what a new run writes must stay.
                self.state.acquire_lease(name, holder, _LEASE_SECONDS)
        return deleted

    def _index_keys(self, name: str) -> Iterator[str]:
        """Yield the manifests, and once they are deleted the keys of all that is left.

        Without its manifest an index takes no commit, so what the last one named is listed.
        """
        yield from manifest_keys(self.store, name)
        for pattern in _INDEX_PREFIXES:
            yield from (found.key for found in self.store.list(pattern.format(name)))

    def _prefixes_of_index(self, name: str) -> list[str]:
        return self._filled(name, _INDEX_PREFIXES)

    def _filled(self, name: str, patterns: tuple[str, ...]) -> list[str]:
        """Those of the prefixes below which there are objects."""
        prefixes = [pattern.format(name) for pattern in patterns]
        return [prefix for prefix in prefixes if next(self.store.list(prefix), None) is not None]

    @contextlib.contextmanager
    def _held(self, name: str) -> Iterator[str]:
        """Keep runs away for the block; the value is the holder of the corpus."""
        holder = self.new_holder()
        self.state.close_abandoned_run(name, holder, self.runs)
        self.state.acquire_lease(name, holder, _LEASE_SECONDS)
        try:
            yield holder
        finally:
            self.state.release_lease(name, holder)


def require_managed_here(stored: StoredCorpus) -> None:
    """Make sure that the command may change a corpus.

    Raises:
        RefusedError: Terraform looks after it.
    """
    if not stored.is_managed_here:
        raise RefusedError(
            f"corpus {stored.name} was not added by this command but by Terraform, which would "
            "undo a change: it is an entry of the variable `corpora`; change it there and apply"
        )


def _reads_again(stored: StoredCorpus, corpus: Corpus) -> bool:
    """Whether what was read before has to be read again to be what the new document says."""
    try:
        before = stored.parse()
    except SettingsError:
        return True
    return any(
        getattr(before, field) != getattr(corpus, field)
        for field in ("source", "mapping", "chunking", "model")
    )
