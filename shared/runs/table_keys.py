"""Where the items of corpora and of runs lie in the table."""

import zlib

COUNTER_ROWS = 8
PAGE_PREFIX = "PAGE#"


def corpus_partition(corpus: str) -> str:
    """`PK` of what belongs to a corpus."""
    return f"CORPUS#{corpus}"


def run_partition(run_id: str) -> str:
    """`PK` of what belongs to a run."""
    return f"RUN#{run_id}"


def counters_partition(run_id: str) -> str:
    """`PK` of a run's counters.

    They have their own partition: writes and reads of counters must not share a partition's
    throughput with the pages, nor have to find the counters among them.
    """
    return f"{run_partition(run_id)}#COUNTERS"


def counter_row(page_id: str) -> int:
    """Which of a run's rows of counters a page moves: several, so that pages do not collide."""
    return zlib.crc32(page_id.encode()) % COUNTER_ROWS


def page_key(page_id: str) -> str:
    """`SK` of a page's record."""
    return f"{PAGE_PREFIX}{page_id}"
