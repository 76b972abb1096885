"""The floor of a corpus: the least `seq` of the runs whose work may still enter its indexes.

Jobs wait in queues, and what was decided when a part was embedded may be outdated when its index
job arrives, even weeks later. A process that removes something from an index therefore works in
this order:

1. raise the floor,
2. make sure that no commit is under way that was decided before (`ManifestStore.fence`, or a
   commit of its own over the version that it read),
3. read the manifest and decide.

The indexer reads the floor at every attempt to commit, after it has read the manifest that it is
about to replace. So its commit either lands before step 2, and is seen in step 3, or is refused.
"""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.corpora.corpus_state import CorpusState
from shared.models.base import CorpusName
from shared.runs.table_keys import corpus_partition
from shared.table.table import ConditionFailedError, StateTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FLOOR_KEY = "FLOOR"
_FENCED_KEY = "FENCED"


@dataclass(frozen=True, slots=True)
class IndexFloor:
    """Reads and raises the floors of corpora; one holds for the indexes of all models.

    An entity that a refused job was about is embedded again by the next run that sees it, as its
    version never counts as indexed (`PageLedger.record_outdated_part`).
    """

    client: "DynamoDBClient"
    table_name: str

    def read(self, corpus: CorpusName) -> int:
        """Return the floor of a corpus: runs with a smaller `seq` are outdated; 0 without one."""
        return self._seq(corpus, _FLOOR_KEY)

    def raise_to(self, corpus: CorpusName, seq: int) -> None:
        """Refuse the work of runs before that of `seq`; a floor never falls."""
        self._raise(corpus, _FLOOR_KEY, seq)

    def fenced(self, corpus: CorpusName) -> int:
        """Return up to which `seq` no commit of an older run can be under way any more."""
        return self._seq(corpus, _FENCED_KEY)

    def note_fenced(self, corpus: CorpusName, seq: int) -> None:
        """Remember that the manifest was fenced after the floor was raised to `seq`."""
        self._raise(corpus, _FENCED_KEY, seq)

    def _seq(self, corpus: CorpusName, key: str) -> int:
        item = self._table.get(corpus_partition(corpus), key)
        return 0 if item is None else int(item["seq"])

    def _raise(self, corpus: CorpusName, key: str, seq: int) -> None:
        item = {"PK": corpus_partition(corpus), "SK": key, "seq": seq}
        with contextlib.suppress(ConditionFailedError):  # it is as high already
            self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": seq})

    @property
    def _table(self) -> StateTable:
        return StateTable(self.client, self.table_name)


def keep_all_runs_out(floor: IndexFloor, state: CorpusState, corpus: CorpusName) -> None:
    """Raise the floor over every run that was planned so far; the caller holds the corpus."""
    latest = state.latest_run(corpus)
    if latest is not None:
        floor.raise_to(corpus, latest.seq + 1)
