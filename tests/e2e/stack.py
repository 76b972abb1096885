"""A deployed stack as a test sees it: its API over HTTP, and the AWS behind it."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import urllib3

from scripts.demo.deployment import Deployment
from shared.index.manifest.manifest_store import ManifestStore
from shared.models.manifest import Manifest
from shared.models.run import RunProgress
from shared.runs.run_reader import RunReader
from shared.storage.s3 import S3ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")
POLL_SECONDS = 0.25
# API Gateway gives up after 29 seconds; what answers later than this does not answer.
HTTP_TIMEOUT = urllib3.Timeout(connect=5, read=60)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, its body read as JSON."""

    status: int
    content_type: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """`outputs` are Terraform's; `gateway_url` is the source's, for faults and changes."""

    deployment: Deployment
    outputs: Mapping[str, Any]
    api_url: str
    gateway_url: str
    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    lambdas: "LambdaClient"
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=HTTP_TIMEOUT)
    )

    @property
    def runs(self) -> RunReader:
        return RunReader(self.dynamodb, self.outputs["checkpoint_table"])

    @property
    def store(self) -> S3ObjectStore:
        return S3ObjectStore(self.s3, self.outputs["bucket_name"])

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        key: str | None = "",
    ) -> Answer:
        """Call the API; the key is the deployment's unless another (or None) is given.

        Waits where the usage plan says so: 429 is the plan's business, not that of these tests.
        """
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["x-api-key"] = key or self.outputs["api_key"]

        url = f"{self.api_url}{path}" + (f"?{urlencode(query)}" if query else "")

        def call() -> Answer | None:
            response = self.http.request(method, url, body=body, headers=headers)
            if response.status == 429:
                return None
            content_type = response.headers.get("content-type", "").split(";")[0]
            return Answer(response.status, content_type, json.loads(response.data or b"{}"))

        return wait_for(call, f"{method} {path} to get past the usage plan", 30)

    def retrieve(self, q: str, **query: str) -> Answer:
        """`GET /retrieve` over HTTP."""
        return self.request("GET", "/retrieve", query={"q": q, **query})

    def chat(self, message: str, **fields: Any) -> Answer:
        """`POST /chat` over HTTP."""
        body = json.dumps({"message": message, **fields}).encode()
        return self.request("POST", "/chat", body=body)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function directly; an error of the function fails the test."""
        response = self.lambdas.invoke(
            FunctionName=self.outputs["function_names"][function],
            Payload=json.dumps(payload).encode(),
        )
        answer: dict[str, Any] = json.loads(response["Payload"].read())
        assert "FunctionError" not in response, answer
        return answer

    def ingest(self, corpus: str, mode: str = "incremental") -> RunProgress:
        """Start a run and wait for its end."""
        request = {"corpus": corpus, "mode": mode, "request_id": uuid.uuid4().hex}
        started = self.invoke("ingest", request)
        assert "run_id" in started, started
        return self.wait_for_run(started["run_id"])

    def wait_for_run(self, run_id: str, timeout_seconds: float = 240) -> RunProgress:
        """Wait until the run is in a terminal state."""

        def ended() -> RunProgress | None:
            try:
                progress = self.runs.get_run(run_id)
            except KeyError:
                if self.deployment.target is None or self.deployment.target.kind != "LocalStack":
                    raise
                # Its DynamoDB shows a new item for a moment before the update has filled it.
                return None
            return progress if progress.is_ended else None

        return wait_for(ended, f"run {run_id} to end", timeout_seconds)

    @contextmanager
    def environment(self, function: str, changes: Mapping[str, str]) -> Iterator[None]:
        """For the block, a function has other environment variables."""
        name = self.outputs["function_names"][function]
        configured = self.lambdas.get_function_configuration(FunctionName=name)
        former = configured["Environment"]["Variables"]
        self._set_environment(name, {**former, **changes})
        try:
            yield
        finally:
            self._set_environment(name, former)

    def _set_environment(self, name: str, variables: Mapping[str, str]) -> None:
        self.lambdas.update_function_configuration(
            FunctionName=name, Environment={"Variables": dict(variables)}
        )
        self.lambdas.get_waiter("function_updated").wait(FunctionName=name)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a prefix."""
        return (summary.key for summary in self.store.list(prefix))

    def versions(self, corpus: str) -> Iterator[Manifest]:
        """Every version of a corpus's index, newest first."""
        [key] = [k for k in self.keys(f"indexes/{corpus}/") if k.endswith("/manifest.json")]
        model = Manifest.model_validate_json(self.store.get(key).data).model
        return ManifestStore(self.store, corpus, model).versions()

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run `ultron` as a user does; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments,
             "--outputs", str(self.deployment.outputs_path)],
            env=self._environment(),
            cwd=self.deployment.root,
            capture_output=True,
            text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """What a command sees: the endpoint, and for its HTTPS requests what to trust of it."""
        certificate = self.deployment.certificate
        trusted = {} if certificate is None else {"SSL_CERT_FILE": str(certificate)}
        return self.deployment.aws_environment() | trusted | {"PATH": ""}

    def ask(self, *arguments: str, status: int = 0) -> Any:
        """Run `ultron … --json`; what it printed, read."""
        return json.loads(self.command(*arguments, "--json", status=status))

    def control(self, method: str, path: str, document: Any = None) -> Any:
        """Steer the local gateway."""
        body = None if document is None else json.dumps(document).encode()
        response = self.http.request(
            method,
            f"{self.gateway_url}/_control{path}",
            body=body,
            headers={"content-type": "application/json"},
        )
        assert response.status < 300, response.data
        return json.loads(response.data or b"null")


def wait_for(probe: Callable[[], T | None], what: str, timeout_seconds: float) -> T:
    """Call `probe` until it returns something."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = probe()
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"waited {timeout_seconds} s for {what}"
        time.sleep(POLL_SECONDS)
