"""`ultron stage` on the local AWS: mappings, and messages that stay while a stage is paused."""

import pytest

from scripts.processes.os_processes import becomes_true
from services.cli.errors import UnavailableError
from services.cli.stage.stages import STAGES, StageControl
from tests.integration.cli.site import ACCOUNT, Site


@pytest.fixture
def connected(site: Site) -> Site:
    """A deployment whose functions read their queues."""
    for stage in STAGES.values():
        name = site.add_function(stage.name)
        site.functions.create_event_source_mapping(
            EventSourceArn=ACCOUNT.format("sqs", f"{site.name_prefix}-{stage.queue}"),
            FunctionName=name,
        )
    return site


def waiting(site: Site, queue: str) -> int:
    answer = site.sqs.get_queue_attributes(
        QueueUrl=site.queue_urls[queue], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def wait_until_empty(site: Site, queue: str) -> None:
    assert becomes_true(lambda: waiting(site, queue) == 0, 20), f"{queue} still has messages"


def test_a_paused_stage_leaves_its_messages_in_the_queue(connected: Site) -> None:
    paused = connected.ultron("stage", "pause", "derive")
    assert "the stage derive is paused" in paused
    assert "lost 4 days after" in paused
    connected.sqs.send_message(QueueUrl=connected.queue_urls["derive-jobs"], MessageBody="{}")
    connected.sqs.send_message(QueueUrl=connected.queue_urls["chunk-jobs"], MessageBody="{}")
    wait_until_empty(connected, "chunk-jobs")  # its stage is not paused
    assert waiting(connected, "derive-jobs") == 1
    stages = {stage["stage"]: stage for stage in connected.answer("stage", "list")["stages"]}
    assert list(stages) == ["fetch", "derive", "chunker", "embedder", "indexer", "compactor"]
    assert (stages["derive"]["state"], stages["derive"]["waiting"]) == ("disabled", 1)
    assert stages["chunker"]["state"] == "enabled"
    assert connected.answer("stage", "pause", "derive")["state"] == "disabled"
    assert "is at work" in connected.ultron("stage", "resume", "derive")
    wait_until_empty(connected, "derive-jobs")


def test_the_list_counts_what_waits_is_hidden_and_was_given_up(connected: Site) -> None:
    connected.ultron("stage", "pause", "embedder")
    for _ in range(3):
        connected.sqs.send_message(QueueUrl=connected.queue_urls["embed-jobs"], MessageBody="{}")
    connected.sqs.send_message(
        QueueUrl=connected.queue_urls["embed-jobs"], MessageBody="{}", DelaySeconds=600
    )
    connected.sqs.receive_message(QueueUrl=connected.queue_urls["embed-jobs"])
    connected.sqs.send_message(
        QueueUrl=connected.dead_letter_queue_urls["embed-jobs"], MessageBody="{}"
    )
    [embed] = [s for s in connected.answer("stage", "list")["stages"] if s["stage"] == "embedder"]
    counts = ("waiting", "in_flight", "delayed", "dead_letters")
    assert [embed[name] for name in counts] == [2, 1, 1, 1]
    printed = connected.ultron("stage", "list")
    assert "dead-letter messages" in printed.splitlines()[0]
    assert "embedder: messages are lost 4 days after they were sent" in printed


def test_a_stage_that_reads_no_queue_is_named(site: Site) -> None:
    site.add_function("fetch")
    error = site.ultron("stage", "pause", "fetch", status=1)
    assert f"{site.name_prefix}-fetch does not read the queue" in error


class SlowFunctions:
    """A Lambda whose mapping takes its time, as that of AWS does."""

    def __init__(self, states: list[str], arn: str) -> None:
        self.states = states
        self.arn = arn
        self.asked: list[bool] = []

    def get_paginator(self, _: str) -> "SlowFunctions":
        return self

    def paginate(self, **_: str) -> list[dict[str, object]]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        mapping = {"UUID": "u", "State": state, "EventSourceArn": self.arn}
        return [{"EventSourceMappings": [mapping]}]

    def update_event_source_mapping(self, *, UUID: str, Enabled: bool) -> None:  # noqa: N803
        assert UUID == "u"
        self.asked.append(Enabled)


def control_of(site: Site, states: list[str]) -> tuple[StageControl, SlowFunctions]:
    functions = SlowFunctions(states, ACCOUNT.format("sqs", f"{site.name_prefix}-page-jobs"))
    seconds = iter(range(0, 10_000, 10))
    control = StageControl(
        functions,  # type: ignore[arg-type]
        site.sqs,
        site.published,
        clock=lambda: float(next(seconds)),
        pause_for=lambda _: None,
    )
    return control, functions


def test_a_change_under_way_is_waited_for_before_and_after(site: Site) -> None:
    states = ["Enabling", "Enabled", "Enabled", "Disabling", "Disabled"]
    control, functions = control_of(site, states)
    assert control.switch(STAGES["fetch"], is_on=False)["state"] == "disabled"
    assert functions.asked == [False]


def test_a_change_that_does_not_come_about_is_said(site: Site) -> None:
    control, _ = control_of(site, ["Enabled", "Disabling"])
    with pytest.raises(UnavailableError, match="disabling for 180 s"):
        control.switch(STAGES["fetch"], is_on=False)
