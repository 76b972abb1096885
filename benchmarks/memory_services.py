"""The services of AWS in memory, at the one edge where the handlers get their clients.

They are those of the simulation, so that ten thousand calls take minutes. What a call leaves in
them can be taken back: the next call then does the same work again, and they do not grow.
"""

import io
import json
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from scripts.demo.deployment import MARVEL_PRIVATE_KEY, MARVEL_PUBLIC_KEY
from shared.platform import aws
from tests.simulation.aws.dynamodb import MemoryDynamoDB
from tests.simulation.aws.dynamodb_transactions import Tokens
from tests.simulation.aws.s3 import MemoryS3
from tests.simulation.aws.s3_objects import Bucket
from tests.simulation.aws.sqs import MemorySQS
from tests.simulation.aws.ssm import MemorySSM

# What these clients keep, by their attributes; all else of them is wiring.
_KEPT = {
    "sqs": ("_queues", "_receipts"),
    "dynamodb": ("_tables", "_tokens"),
}
Answers = Callable[[bytes], bytes]
"""What a function answers to the payload of an invocation."""


class MemorySecrets:
    """Holds the keys of the local Marvel gateway, whatever name is asked for."""

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        """Answer as Secrets Manager does."""
        keys = {"public_key": MARVEL_PUBLIC_KEY, "private_key": MARVEL_PRIVATE_KEY}
        return {"SecretString": json.dumps(keys)}


class MemoryFunctions:
    """Answers invocations of one function, and remembers what it answered to each payload."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._remembered: dict[bytes, bytes] = {}

    def invoke(self, **request: Any) -> dict[str, Any]:
        """Answer as Lambda does."""
        payload = request["Payload"]
        if payload not in self._remembered:
            self._remembered[payload] = self._answers(payload)
        return {"StatusCode": 200, "Payload": io.BytesIO(self._remembered[payload])}


class MemoryServices:
    """The bucket, the table, the queues and the parameters of one deployment."""

    def __init__(
        self, environments: Mapping[str, Mapping[str, str]], parameters: Mapping[str, str]
    ) -> None:
        """Make what the environments of the functions name."""
        self.s3 = MemoryS3(_now)
        self.sqs = MemorySQS(_now, random.Random(0))  # noqa: S311 - it orders messages
        self.dynamodb = MemoryDynamoDB(_now)
        self.ssm = MemorySSM(_now)
        every = [item for environment in environments.values() for item in environment.items()]
        self.bucket_name = dict(every)["BUCKET_NAME"]
        self.s3.add_bucket(self.bucket_name)
        self.dynamodb.add_table(dict(every)["CHECKPOINT_TABLE"])
        for url in {value for name, value in every if name.endswith("QUEUE_URL")}:
            self.sqs.add_queue(url, visibility_seconds=3600)
        for name, value in parameters.items():
            self.ssm.put_parameter(Name=name, Value=value, Type="String")
        self.keep()

    @contextmanager
    def in_place_of_aws(self, answers: Answers) -> Iterator[None]:
        """Hand these clients to whoever asks for AWS's; `answers` does for every function."""
        functions = MemoryFunctions(answers)
        clients = {
            "s3_client": self.s3,
            "sqs_client": self.sqs,
            "dynamodb_client": self.dynamodb,
            "ssm_client": self.ssm,
            "secrets_client": MemorySecrets(),
            "lambda_client": functions,
        }
        with ExitStack() as patches:
            for name, client in clients.items():
                patches.enter_context(mock.patch.object(aws, name, _returning(client)))
            yield

    def put_files(self, directory: Path, prefix: str) -> None:
        """Upload the files of a folder."""
        for path in sorted(directory.iterdir()):
            self.put(f"{prefix}{path.name}", path.read_bytes())

    def put(self, key: str, body: bytes) -> None:
        """Write an object of the bucket."""
        self.s3.put_object(Bucket=self.bucket_name, Key=key, Body=body)

    def receive(self, queue_url: str, most: int) -> dict[str, Any]:
        """Receive messages as an event source mapping does; the event has none when none wait."""
        found = self.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=most, MessageSystemAttributeNames=["All"]
        )
        return {"Records": [self.sqs.event_record(one) for one in found.get("Messages", [])]}

    def keep(self) -> None:
        """Remember everything as it is now, but for the parameters, which nobody changes."""
        # Of transactions that are done: by these a repeated one would be known.
        vars(self.dynamodb)["_tokens"] = Tokens()
        self._kept_buckets = _copied(vars(self.s3)["_buckets"])
        self._kept_rest = pickle.dumps({name: self._state(name) for name in _KEPT})

    def take_back(self) -> None:
        """Let everything be as it was when it was kept."""
        vars(self.s3)["_buckets"] = _copied(self._kept_buckets)
        for name, state in pickle.loads(self._kept_rest).items():  # noqa: S301 - our own bytes
            vars(getattr(self, name)).update(state)

    def _state(self, service: str) -> dict[str, Any]:
        attributes = vars(getattr(self, service))
        return {name: attributes[name] for name in _KEPT[service]}


def _copied(buckets: Mapping[str, Bucket]) -> dict[str, Bucket]:
    """The same objects, of which none is ever changed, in separate buckets."""
    copies = {name: Bucket() for name in buckets}
    for name, copied in copies.items():
        copied.objects.update(buckets[name].objects)
        copied.sorted_keys.extend(buckets[name].sorted_keys)
    return copies


def _returning(client: object) -> Callable[..., object]:
    return lambda *_, **__: client


def _now() -> datetime:
    return datetime.now(UTC)
