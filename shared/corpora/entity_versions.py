"""What was last indexed of each entity, so that an unchanged one is not embedded again.

An item a corpus, model and entity. It holds the newest version that anyone *began* to index, and
the newest job that saw the entity (`seen`), whether that job began its own version or found
the item's one still right. Both only move forward, so a job that was redriven late can neither
replace what a newer one indexed, nor what a newer one found unchanged.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from shared.models.entity import EntityVersion
from shared.models.manifest import ModelIdentity
from shared.runs.table_keys import corpus_partition
from shared.table.table import ConditionFailedError, StateTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SORT_KEY = "VERSION"
_FORGOTTEN_KEY = "FORGOTTEN"
_KEY_DIGITS = 32
_NOT_SEEN_BY_A_NEWER_JOB = (
    "(attribute_not_exists(PK) OR seen_seq < :seq OR (seen_seq = :seq AND seen_origin <= :origin))"
)
Order = tuple[int, str]


class EntityVersions:
    """Reads and writes the versions of entities."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._table = StateTable(client, table_name)

    def read(
        self, corpus: str, model: ModelIdentity, keys: Iterable[str]
    ) -> dict[str, EntityVersion]:
        """Return the version of each entity that has one, and that was not forgotten."""
        wanted = [(_partition(corpus, model, key), _SORT_KEY) for key in keys]
        if not wanted:
            return {}
        limit = (corpus_partition(corpus), _FORGOTTEN_KEY)
        items = list(self._table.get_many([limit, *wanted]))
        forgotten = next((item["seq"] for item in items if item["SK"] == _FORGOTTEN_KEY), -1)
        return {
            item["key"]: EntityVersion(item["seq"], item["origin"], item["checksum"])
            for item in items
            if item["SK"] == _SORT_KEY and item["seq"] > forgotten
        }

    def begin(
        self, corpus: str, model: ModelIdentity, versions: Mapping[str, EntityVersion]
    ) -> set[str]:
        """Write the versions that a job is about to index, or a sweep to delete.

        Returns:
            The entities that a newer job has seen already, whose versions stay as they are: this
            job's version of them must not be indexed any more.
        """
        writes = [
            self._table.put_write(
                {
                    "PK": _partition(corpus, model, key),
                    "SK": _SORT_KEY,
                    "key": key,
                    "seq": version.seq,
                    "origin": version.origin,
                    "checksum": version.checksum,
                    "seen_seq": version.seq,
                    "seen_origin": version.origin,
                },
                _NOT_SEEN_BY_A_NEWER_JOB,
                {":seq": version.seq, ":origin": version.origin},
            )
            for key, version in versions.items()
        ]
        return self._refused(list(versions), self._table.transact_each(writes))

    def confirm(
        self,
        corpus: str,
        model: ModelIdentity,
        versions: Mapping[str, EntityVersion],
        seen_by: Order,
    ) -> set[str]:
        """Say that the job of order `seen_by` found these versions, as read, still right.

        Returns:
            The entities that have another version by now, or that a newer job has seen.
        """
        seq, origin = seen_by
        writes = [
            self._table.update_write(
                _partition(corpus, model, key),
                _SORT_KEY,
                "SET seen_seq = :seq, seen_origin = :origin",
                {
                    ":seq": seq,
                    ":origin": origin,
                    ":version_seq": version.seq,
                    ":version_origin": version.origin,
                    ":checksum": version.checksum,
                },
                "seq = :version_seq AND origin = :version_origin AND checksum = :checksum AND "
                + _NOT_SEEN_BY_A_NEWER_JOB,
            )
            for key, version in versions.items()
        ]
        return self._refused(list(versions), self._table.transact_each(writes))

    def forget(self, corpus: str, model: ModelIdentity, keys: Iterable[str]) -> None:
        """Remove what is known of entities: whatever the next run sees of them is indexed."""
        writes = [
            self._table.delete_write(_partition(corpus, model, key), _SORT_KEY)
            for key in dict.fromkeys(keys)
        ]
        self._table.transact_each(writes)

    def forget_until(self, corpus: str, seq: int) -> None:
        """Forget all versions of a corpus, under all models, by runs up to that of `seq`.

        It is one write, however many entities there are; that they were seen is still known.
        """
        item = {"PK": corpus_partition(corpus), "SK": _FORGOTTEN_KEY, "seq": seq}
        with contextlib.suppress(ConditionFailedError):  # what came later is forgotten already
            self._table.put(item, "attribute_not_exists(PK) OR seq < :seq", {":seq": seq})

    @staticmethod
    def _refused(keys: list[str], positions: set[int]) -> set[str]:
        return {keys[position] for position in positions}


def _partition(corpus: str, model: ModelIdentity, key: str) -> str:
    # A key may be longer than DynamoDB allows, and hold any character.
    digest = hashlib.sha256(key.encode()).hexdigest()[:_KEY_DIGITS]
    return f"ENTITY#{corpus}#{model.id}@{model.revision}#{digest}"
