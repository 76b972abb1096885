"""What a function that speaks to sources is given."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.platform import aws, source_wiring, wiring
from shared.platform.settings import SourceSettings
from shared.storage.memory import MemoryObjectStore
from tests.unit.table.given_time import GivenTime

NOW = datetime(2126, 11, 23, 6, tzinfo=UTC)


@pytest.mark.parametrize("make", [source_wiring.patient_tools, source_wiring.postponing_tools])
def test_a_source_is_read_up_to_a_time_of_the_table(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run asks for what changed since then: a time to come would leave changes out."""
    for name, value in (
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("CHECKPOINT_TABLE", "checkpoints"),
        ("CORPORA_PARAMETER_PATH", "/name/corpora"),
        ("SOURCE_SECRET_PREFIX", "name/sources/"),
    ):
        monkeypatch.setenv(name, value)
    asked: list[str] = []

    def table_clock(table: str) -> GivenTime:
        asked.append(table)
        return GivenTime(lambda: NOW)

    monkeypatch.setattr(wiring, "table_clock", table_clock)
    aws.forget_clients()
    tools = make(SourceSettings.load(), MemoryObjectStore())
    assert tools.timing.now() == NOW
    assert asked == ["checkpoints"]
    aws.forget_clients()
