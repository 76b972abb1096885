"""What the tests of the clients in memory share: a clock that they set, and the clients."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tests.simulation.aws.dynamodb import MemoryDynamoDB
from tests.simulation.aws.s3 import MemoryS3
from tests.simulation.aws.sqs import MemorySQS
from tests.simulation.aws.ssm import MemorySSM

TABLE = "table"
BUCKET = "bucket"


@dataclass
class SetClock:
    """A clock that stands until it is put on."""

    now: datetime = field(default=datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def put_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def dynamodb(clock: SetClock) -> MemoryDynamoDB:
    client = MemoryDynamoDB(clock)
    client.add_table(TABLE)
    return client


@pytest.fixture
def s3(clock: SetClock) -> MemoryS3:
    client = MemoryS3(clock, page_size=2)
    client.add_bucket(BUCKET)
    return client


@pytest.fixture
def sqs(clock: SetClock) -> MemorySQS:
    return MemorySQS(clock, random.Random(1))


@pytest.fixture
def ssm(clock: SetClock) -> MemorySSM:
    return MemorySSM(clock, page_size=2)
