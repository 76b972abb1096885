"""An index to be rebuilt, for the tests of rebuilds."""

from pathlib import Path

import pytest

from tests.unit.compactor.rebuild_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An index without a version yet, of which three parts are kept."""
    found = World(tmp_path)
    found.keep_parts()
    return found
