"""Versions of an entity, as indexes and the state of a corpus speak of them."""

from dataclasses import dataclass

NO_CONTENT = ""
"""The checksum of an entity that was deleted."""


@dataclass(frozen=True, slots=True)
class EntityVersion:
    """A version of an entity in an index; the greater `(seq, origin)` is the newer.

    `seq` is when its run began, `origin` the job that made its shard. `checksum` is that of what
    is indexed of it (`shared.index.shard.content`), `NO_CONTENT` when it was deleted.
    """

    seq: int
    origin: str
    checksum: str

    @property
    def has_content(self) -> bool:
        """Whether the entity was not deleted."""
        return self.checksum != NO_CONTENT

    @property
    def order(self) -> tuple[int, str]:
        """What versions are compared by."""
        return self.seq, self.origin
