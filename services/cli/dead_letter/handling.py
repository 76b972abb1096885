"""Lists, sends again and drops the messages that the stages gave up."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from services.cli.dead_letter.dead_letter_queue import (
    DeadLetter,
    HeldLetters,
    count_letters,
    held_letters,
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
class DeadLetters:
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
            counts = count_letters(self.client, url)
            if counts.hidden:
                hidden[stage] = counts.hidden
            # Most queues are empty, and waiting for each would add up.
            with held_letters(self.client, url, is_thorough=counts.visible > 0) as held:
                letters = list(islice(held, limit + 1))
            if len(letters) > limit:
                more.append(stage)
            recorded = self.failures.reasons(stage, [letter.message_id for letter in letters])
            found += [
                description(stage, letter, recorded.get(letter.message_id))
                for letter in letters[:limit]
            ]
        return {"dead_letters": found, "hidden": hidden, "more": more}

    def show(self, stage: str, message_id: str) -> dict[str, Any]:
        """Return what is known of one dead-letter message.

        Raises:
            NotFoundError: it is not there, or another process has received it.
        """
        with self._one(stage, message_id) as (_, letter):
            return description(stage, letter, self.failures.reason(stage, message_id))

    def redrive(self, stage: str, message_id: str) -> dict[str, Any]:
        """Send one dead-letter message to its stage again.

        Raises:
            NotFoundError: it is not there, or another process has received it.
            InvalidInputError: it is no event of the schedule.
            UltronError: what the ingest function raised.
        """
        with self._one(stage, message_id) as (held, letter):
            self._send(stage, letter)
            self._forget(stage, held, letter)
        return {"stage": stage, "redriven": [message_id], "failed": {}}

    def redrive_all(self, stage: str) -> dict[str, Any]:
        """Send all messages of a stage again; those that cannot be sent stay, with the reason.

        A message that fails again meanwhile comes back as a new dead-letter message, which stays.
        """
        redriven: list[str] = []
        failed: dict[str, str] = {}
        sent: set[str] = set()
        with held_letters(self.client, self._url(stage)) as held:
            for letter in held:
                if letter.message_id in sent:
                    continue
                try:
                    sent.add(self._send(stage, letter))
                except UltronError as error:
                    failed[letter.message_id] = str(error)
                    continue
                self._forget(stage, held, letter)
                redriven.append(letter.message_id)
        return {"stage": stage, "redriven": redriven, "failed": failed}

    def drop(self, stage: str, message_id: str) -> dict[str, Any]:
        """Delete one dead-letter message for good, and say what that means.

        Raises:
            NotFoundError: it is not there, or another process has received it.
        """
        with self._one(stage, message_id) as (held, letter):
            meaning = self._drop(stage, held, letter)
        return {"stage": stage, "dropped": {message_id: meaning}}

    def drop_all(self, stage: str) -> dict[str, Any]:
        """Delete a stage's dead-letter messages for good, and say what each deletion means."""
        with held_letters(self.client, self._url(stage)) as held:
            dropped = {letter.message_id: self._drop(stage, held, letter) for letter in held}
        return {"stage": stage, "dropped": dropped}

    def _drop(self, stage: str, held: HeldLetters, letter: DeadLetter) -> str:
        body = body_of(letter)
        self._give_up(stage, body)
        self._forget(stage, held, letter)
        return meaning_of_drop(stage, body)

    def _give_up(self, stage: str, body: dict[str, Any]) -> None:
        """Let no run wait for it: a worker that was killed did not record that its page failed."""
        reason = f"its job was dropped from the dead letters of {stage}"
        job = page_job(body)
        if job is not None and self.runs.reader.exists(job.run_id):
            with contextlib.suppress(InvalidJobError):  # a page that the run does not have
                self.runs.ledger.end_page(job, "failed", reason)
        elif body.get("kind") == "sweep":
            with contextlib.suppress(ValueError, NotFoundError):
                self.runs.endings.give_up_sweep(SweepJob.model_validate(body).run_id, reason)

    def _send(self, stage: str, letter: DeadLetter) -> str:
        """Send a message's content again; the id of the new message, empty when there is none."""
        if stage != SCHEDULE:
            return self._send_message(STAGES[stage].queue, letter.body)
        event = event_to_send(letter, self.deployment.schedule.rule_prefix)
        if event.get("kind") == "maintain":
            return self._send_message(STAGES["compact"].queue, json.dumps(event))
        self.invoke_ingest(event)
        return ""

    def _send_message(self, queue: str, body: str) -> str:
        url = self.deployment.queue_urls[queue]
        return self.client.send_message(QueueUrl=url, MessageBody=body)["MessageId"]

    def _forget(self, stage: str, held: HeldLetters, letter: DeadLetter) -> None:
        held.delete(letter)
        self.failures.forget(stage, letter.message_id)

    @contextlib.contextmanager
    def _one(self, stage: str, message_id: str) -> Iterator[tuple[HeldLetters, DeadLetter]]:
        """Hold the dead-letter message of this id, and those before it in the queue."""
        url = self._url(stage)
        hidden = count_letters(self.client, url).hidden
        with held_letters(self.client, url) as held:
            for letter in held:
                if letter.message_id == message_id:
                    yield held, letter
                    return
        others = f", or it is among the {hidden} that somebody else looks at" if hidden else ""
        raise NotFoundError(
            f"the dead letters of {stage} hold no message {message_id}{others}; "
            f"`ultron dlq list --stage {stage}` lists them"
        )

    def _url(self, stage: str) -> str:
        queue = SCHEDULE if stage == SCHEDULE else STAGES[stage].queue
        return self.deployment.dead_letter_queue_urls[queue]
