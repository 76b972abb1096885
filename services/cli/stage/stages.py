"""The stages of the pipeline: how much waits at each, and pausing and resuming them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.cli.deployment.published import PublishedDeployment
from services.cli.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

POLL_SECONDS = 1.0
SETTLING_SECONDS = 180.0
_SECONDS_IN_DAY = 86_400
_SETTLED = frozenset({"Enabled", "Disabled"})


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage, which has the name of its function, and its queue."""

    name: str
    queue: str


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("fetch", "page-jobs"),
        Stage("derive", "derive-jobs"),
        Stage("chunker", "chunk-jobs"),
        Stage("embedder", "embed-jobs"),
        Stage("indexer", "index-jobs"),
        Stage("compactor", "compact-jobs"),
    )
}


@dataclass(frozen=True, slots=True)
class StageControl:
    """Looks at the queues of a deployment, and switches what reads them."""

    functions: "LambdaClient"
    queues: "SQSClient"
    deployment: PublishedDeployment
    clock: Callable[[], float] = time.monotonic
    pause_for: Callable[[float], None] = time.sleep

    def list(self) -> dict[str, Any]:
        """Return `stages`: the state of each, and about how many messages are where."""
        return {"stages": [self.describe(stage) for stage in STAGES.values()]}

    def describe(self, stage: Stage) -> dict[str, Any]:
        """Return the state of a stage, what its queue holds, and for how long it holds it."""
        queue = self._attributes(self.deployment.queue_urls[stage.queue])
        dead = self._attributes(self.deployment.dead_letter_queue_urls[stage.queue])
        return {
            "stage": stage.name,
            "state": self._mapping(stage).get("State", "unknown").lower(),
            "waiting": queue["ApproximateNumberOfMessages"],
            "in_flight": queue["ApproximateNumberOfMessagesNotVisible"],
            "delayed": queue["ApproximateNumberOfMessagesDelayed"],
            "dead_letters": dead["ApproximateNumberOfMessages"]
            + dead["ApproximateNumberOfMessagesNotVisible"],
            "kept_days": queue["MessageRetentionPeriod"] / _SECONDS_IN_DAY,
        }

    def switch(self, stage: Stage, *, is_on: bool) -> dict[str, Any]:
        """Let a stage read its queue or not, wait until it is so, and describe it.

        A function finishes the jobs that it has begun; messages stay in the queue.

        Raises:
            UnavailableError: the change did not complete in time; the call may be repeated.
        """
        wanted = "Enabled" if is_on else "Disabled"
        mapping = self._settled(stage)
        if mapping["State"] != wanted:
            self.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=is_on)
            self._settled(stage, wanted)
        return self.describe(stage)

    def _settled(
        self, stage: Stage, wanted: str | None = None
    ) -> "EventSourceMappingConfigurationTypeDef":
        """The mapping of a stage when nothing is under way; it takes AWS up to a minute."""
        deadline = self.clock() + SETTLING_SECONDS
        while True:
            mapping = self._mapping(stage)
            state = mapping.get("State", "unknown")
            if state in _SETTLED and wanted in {None, state}:
                return mapping
            if self.clock() >= deadline:
                raise UnavailableError(
                    f"the stage {stage.name} is {state.lower()} for {SETTLING_SECONDS:.0f} s; "
                    "`ultron stage list` shows when that is over, then try again"
                )
            self.pause_for(POLL_SECONDS)

    def _mapping(self, stage: Stage) -> "EventSourceMappingConfigurationTypeDef":
        """The mapping between the stage's queue and its function."""
        function_name = self.deployment.functions[stage.name]
        suffix = f":{self.deployment.queue_urls[stage.queue].rpartition('/')[2]}"
        pages = self.functions.get_paginator("list_event_source_mappings").paginate(
            FunctionName=function_name
        )
        for page in pages:
            for mapping in page["EventSourceMappings"]:
                if mapping.get("EventSourceArn", "").endswith(suffix):
                    return mapping
        raise UnavailableError(
            f"{function_name} does not read the queue{suffix}: apply the Terraform of the "
            "deployment, which connects them"
        )

    def _attributes(self, queue_url: str) -> dict[str, int]:
        answer = self.queues.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
                "MessageRetentionPeriod",
            ],
        )
        return {name: int(value) for name, value in answer["Attributes"].items()}
