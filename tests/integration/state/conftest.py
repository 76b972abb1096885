"""A corpus on a real table: its runs as ingest and fetch have them, or down to its index."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.state.chains import Line
from tests.integration.state.shelf import Shelf

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def shelf(dynamodb_client: "DynamoDBClient", checkpoint_table: str, tmp_path: Path) -> Shelf:
    """An empty corpus."""
    return Shelf(dynamodb_client, checkpoint_table, tmp_path)


@pytest.fixture
def line(dynamodb_client: "DynamoDBClient", checkpoint_table: str) -> Line:
    """A corpus without runs, of three pages."""
    line = Line(dynamodb_client, checkpoint_table)
    line.source.planned = ["a", "b", "c"]
    return line
