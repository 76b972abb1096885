"""Lists, sends again and drops the messages that the stages gave up."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from services.cli.dead_letter.dead_letter_queue import (
    DeadLetterMessage,
    HeldMessages,
    count_messages,
    held_messages,
)
from services.cli.dead_letter.messages import (
    SCHEDULE,
    body_of,
    description,
    event_to_send,
    meaning_of_drop,
    page_job,
)
from services.cli.deployment.published import PublishedDeployment
from services.cli.stage.stages import STAGES
from shared.errors import InvalidJobError, NotFoundError, UltronError
from shared.models.maintenance import SweepJob
from shared.runs.failures import FailureLog
from shared.runs.run_store import RunStore

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

STAGE_NAMES = (SCHEDULE, *STAGES)
InvokeIngest = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class DeadLetterMessages:
    """The dead-letter queues of a deployment.

    `invoke_ingest` starts the run of an event, or raises. A dead-letter message is first sent again
    and then deleted: after an interruption in between it exists twice, which every stage tolerates.
    """

    client: "SQSClient"
    deployment: PublishedDeployment
    failures: FailureLog
    runs: RunStore
    invoke_ingest: InvokeIngest

    def list(self, stages: tuple[str, ...], limit: int) -> dict[str, Any]:
        """Return the `dead_letters` of some stages, `limit` of each at most.

        `hidden` counts, by stage, those that another process has received; `more` names the stages
        that have more.
        """
        found: list[dict[str, Any]] = []
        hidden: dict[str, int] = {}
        more: list[str] = []
        for stage in stages:
            url = self._url(stage)
            counts = count_messages(self.client, url)
            if counts.hidden:
                hidden[stage] = counts.hidden
            # Most queues are empty, and waiting for each would add up.
            with held_messages(self.client, url, is_thorough=counts.visible > 0) as held:
                messages = list(islice(held, limit + 1))
            if len(messages) > limit:
                more.append(stage)
            recorded = self.failures.reasons(stage, [message.message_id for message in messages])
            found += [
                description(stage, message, recorded.get(message.message_id))
                for message in messages[:limit]
            ]
        return {"dead_letters": found, "hidden": hidden, "more": more}

    def show(self, stage: str, message_id: str) -> dict[str, Any]:
        """Return what is known of one dead-letter message.

        Raises:
            NotFoundError: it is not there, or another process has received it.
        """
        with self._one(stage, message_id) as (_, message):
            return description(stage, message, self.failures.reason(stage, message_id))

    def redrive(self, stage: str, message_id: str) -> dict[str, Any]:
        """Send one dead-letter message to its stage again.

        Raises:
            NotFoundError: it is not there, or another process has received it.
            InvalidInputError: it is no event of the schedule.
            UltronError: what the ingest function raised.
        """
        with self._one(stage, message_id) as (held, message):
            self._send(stage, message)
            self._forget(stage, held, message)
        return {"stage": stage, "redriven": [message_id], "failed": {}}

    def redrive_all(self, stage: str) -> dict[str, Any]:
        """Send all messages of a stage again; those that cannot be sent stay, with the reason.

        A message that fails again meanwhile comes back as a new dead-letter message, which stays.
        """
        redriven: list[str] = []
        failed: dict[str, str] = {}
        sent: set[str] = set()
        with held_messages(self.client, self._url(stage)) as held:
            for message in held:
                if message.message_id in sent:
                    continue
                try:
                    sent.add(self._send(stage, message))
                except UltronError as error:
                    failed[message.message_id] = str(error)
                    continue
                self._forget(stage, held, message)
                redriven.append(message.message_id)
        return {"stage": stage, "redriven": redriven, "failed": failed}

    def drop(self, stage: str, message_id: str) -> dict[str, Any]:
        """Delete one dead-letter message for good, and say what that means.

        Raises:
            NotFoundError: it is not there, or another process has received it.
        """
        with self._one(stage, message_id) as (held, message):
            meaning = self._drop(stage, held, message)
        return {"stage": stage, "dropped": {message_id: meaning}}

    def drop_all(self, stage: str) -> dict[str, Any]:
        """Delete a stage's dead-letter messages for good, and say what each deletion means."""
        with held_messages(self.client, self._url(stage)) as held:
            dropped = {message.message_id: self._drop(stage, held, message) for message in held}
        return {"stage": stage, "dropped": dropped}

    def _drop(self, stage: str, held: HeldMessages, message: DeadLetterMessage) -> str:
        body = body_of(message)
        self._give_up(stage, body)
        self._forget(stage, held, message)
        return meaning_of_drop(stage, body)

    def _give_up(self, stage: str, body: dict[str, Any]) -> None:
        """Let no run wait for it: a worker that was killed did not record that its page failed."""
        reason = f"its job was dropped from the dead-letter messages of {stage}"
        job = page_job(body)
        if job is not None and self.runs.reader.exists(job.run_id):
            with contextlib.suppress(InvalidJobError):  # a page that the run does not have
                self.runs.ledger.end_page(job, "failed", reason)
        elif body.get("kind") == "sweep":
            with contextlib.suppress(ValueError, NotFoundError):
                self.runs.endings.give_up_sweep(SweepJob.model_validate(body).run_id, reason)

    def _send(self, stage: str, message: DeadLetterMessage) -> str:
        """Send a message's content again; the id of the new message, empty when there is none."""
        if stage != SCHEDULE:
            return self._send_message(STAGES[stage].queue, message.body)
        event = event_to_send(message, self.deployment.schedule.rule_prefix)
        if event.get("kind") == "maintain":
            return self._send_message(STAGES["compactor"].queue, json.dumps(event))
        self.invoke_ingest(event)
        return ""

    def _send_message(self, queue: str, body: str) -> str:
        url = self.deployment.queue_urls[queue]
        return self.client.send_message(QueueUrl=url, MessageBody=body)["MessageId"]

    def _forget(self, stage: str, held: HeldMessages, message: DeadLetterMessage) -> None:
        held.delete(message)
        self.failures.forget(stage, message.message_id)

    @contextlib.contextmanager
    def _one(self, stage: str, message_id: str) -> Iterator[tuple[HeldMessages, DeadLetterMessage]]:
        """Hold the dead-letter message of this id, and those before it in the queue."""
        url = self._url(stage)
        hidden = count_messages(self.client, url).hidden
        with held_messages(self.client, url) as held:
            for message in held:
                if message.message_id == message_id:
                    yield held, message
                    return
        others = f", or it is among the {hidden} that another process reads" if hidden else ""
        raise NotFoundError(
            f"the dead-letter messages of {stage} hold no message {message_id}{others}; "
            f"`ultron dlq list --stage {stage}` lists them"
        )

    def _url(self, stage: str) -> str:
        queue = SCHEDULE if stage == SCHEDULE else STAGES[stage].queue
        return self.deployment.dead_letter_queue_urls[queue]
