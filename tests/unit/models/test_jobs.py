"""What a queue message must hold to be a job."""

import json

import pytest

from shared.errors import InvalidJobError
from shared.messaging.stage import parse_job
from shared.models.jobs import PageJob
from shared.sources.base import FetchedPage
from shared.sources.raw_object import raw_metadata

JOB = {
    "corpus": "fuzz",
    "run_id": "20261123T060000Z-1a2b3c4d",
    "page_id": "records-1",
    "endpoint": "records",
    "query": {},
}
LAST_SEQ = 253_402_300_799_999


@pytest.mark.parametrize("seq", [0, LAST_SEQ])
def test_the_first_and_the_last_run_have_a_time(seq: int) -> None:
    job = parse_job(json.dumps({**JOB, "seq": seq}), PageJob)
    assert raw_metadata(job, "fuzz", FetchedPage())["run_ts"][:4] in {"1970", "9999"}


@pytest.mark.parametrize("seq", [-1, LAST_SEQ + 1, 10**30])
def test_a_run_that_began_at_no_time_has_no_jobs(seq: int) -> None:
    with pytest.raises(InvalidJobError, match=r"is no PageJob: seq: "):
        parse_job(json.dumps({**JOB, "seq": seq}), PageJob)
