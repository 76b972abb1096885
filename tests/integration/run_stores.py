"""The records of runs as the functions have them, on the table of a test."""

import time
from typing import TYPE_CHECKING

from shared.corpora.corpus_state import CorpusState
from shared.models.run import RunRecord
from shared.runs.run_endings import SweepRequest
from shared.runs.run_store import RunStore, open_run_store
from shared.table.table_clock import ResponseClock, utc_now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def table_clock(client: "DynamoDBClient", table: str) -> ResponseClock:
    """The table's own clock."""
    return ResponseClock(client, table, utc_now, time.monotonic)


def run_store(client: "DynamoDBClient", table: str, request_sweep: SweepRequest) -> RunStore:
    """The records of runs, by the table's own clock."""
    return open_run_store(client, table, table_clock(client, table), request_sweep)


def corpus_state(client: "DynamoDBClient", table: str) -> CorpusState:
    """What is remembered of corpora, by the table's own clock."""
    return CorpusState(client, table, table_clock(client, table))


def no_sweep(run: RunRecord) -> None:
    """The sweep of a test whose runs need none."""
    raise AssertionError(f"run {run.run_id} asked for a sweep")


def hold_corpus(runs: RunStore, corpus: str, run_id: str) -> None:
    """Take a corpus for a run, as its planner does before it begins."""
    table = runs.planning._table
    CorpusState(table._client, table._name, runs.planning._writes._clock).acquire_lease(
        corpus, run_id, 3600
    )
