"""Reading the key of a part's vectors: which job made them, and where its chunks lie."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_VECTORS = re.compile(
    r"embeddings/(?P<folder>[^/]+/\d{4}/\d\d/\d\d/(?P<run>\d{8}T\d{6}Z-[0-9a-f]{8}))"
    r"/(?P<page>[^/]+)-(?P<part>\d{4,})\.npz"
)
_RUN_TIME = "%Y%m%dT%H%M%SZ"
# Runs are numbered by the milliseconds since then.
_FIRST_RUN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PartKeys:
    """What the key of a part's vectors says; `run_seq` is when its run began, to the second."""

    vectors_key: str
    chunks_key: str
    origin: str
    run_seq: int


def parse_vectors_key(key: str) -> PartKeys | None:
    """Read a key that `embeddings_key` made; None for any other."""
    found = _VECTORS.fullmatch(key)
    if found is None:
        return None
    try:
        started = datetime.strptime(found["run"][:16], _RUN_TIME).replace(tzinfo=UTC)
    except ValueError:  # digits, but no date
        return None
    if started < _FIRST_RUN:
        return None
    return PartKeys(
        vectors_key=key,
        chunks_key=f"chunks/{found['folder']}/{found['page']}-{found['part']}.jsonl.gz",
        origin=f"{found['run']}/{found['page']}/{int(found['part'])}",
        run_seq=int(started.timestamp()) * 1000,
    )
