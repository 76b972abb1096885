"""A corpus on a real table for the tests of sweeps and restores."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.state.shelf import Shelf

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def shelf(dynamodb_client: "DynamoDBClient", checkpoint_table: str, tmp_path: Path) -> Shelf:
    """An empty corpus."""
    return Shelf(dynamodb_client, checkpoint_table, tmp_path)
