"""Asks each service of a local AWS one cheap question, before anything depends on the answers.

A service that is broken from the start answers 500 for ever, and who works on it, as Terraform
does, tries again for as long. One after another, because LocalStack loads a service at its first
request, and two that load side by side have been seen to wait for each other.
"""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.local_aws.account import CREDENTIALS, REGION
from scripts.local_aws.emulator_log import last_errors
from scripts.processes.errors import LocalProcessError

# LocalStack takes some seconds to load a service; none takes as long as this.
ANSWER_TIMEOUT_SECONDS = 30.0
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Question:
    """A call that every account may make, in the protocol of its service."""

    service: str
    path: str = "/"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    signed_as: str | None = None

    def request(self, endpoint_url: str) -> urllib.request.Request:
        """The HTTP request: endpoints tell the services apart by what a call is signed for."""
        scope = f"20260101/{REGION}/{self.signed_as or self.service}/aws4_request"
        credential = f"Credential={CREDENTIALS['AWS_ACCESS_KEY_ID']}/{scope}"
        signature = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"
        return urllib.request.Request(  # noqa: S310 - an endpoint, which is told before
            endpoint_url + self.path,
            data=None if self.body is None else self.body.encode(),
            headers={"Authorization": signature, **self.headers},
        )


def _json(service: str, target: str, version: str = "1.1") -> Question:
    headers = {"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}"}
    return Question(service, body="{}", headers=headers)


def _query(service: str, action: str, version: str, signed_as: str | None = None) -> Question:
    return Question(service, body=f"Action={action}&Version={version}", signed_as=signed_as)


QUESTIONS = (
    Question("apigateway", "/restapis?limit=1"),
    _query("cloudwatch", "DescribeAlarms", "2010-08-01", signed_as="monitoring"),
    _json("dynamodb", "DynamoDB_20120810.ListTables", "1.0"),
    _json("events", "AWSEvents.ListRules"),
    _query("iam", "ListRoles", "2010-05-08"),
    Question("lambda", "/2015-03-31/functions/?MaxItems=1"),
    _json("logs", "Logs_20140328.DescribeLogGroups"),
    Question("s3"),
    _json("secretsmanager", "secretsmanager.ListSecrets"),
    _json("sqs", "AmazonSQS.ListQueues", "1.0"),
    _json("ssm", "AmazonSSM.DescribeParameters"),
    _query("sts", "GetCallerIdentity", "2011-06-15"),
)


def require_services(
    endpoint_url: str,
    certificate: Path | None = None,
    log_path: Path | None = None,
    timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
) -> None:
    """Ask every service that this project uses; `certificate` is what to trust of the endpoint.

    Raises:
        LocalProcessError: one answers 5xx, or not within the time; names it and ends with the last
            errors of the log.
    """
    context = ssl.create_default_context(cafile=certificate)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    for question in QUESTIONS:
        problem = _problem(opener, question.request(endpoint_url), timeout_seconds)
        if problem is not None:
            raise LocalProcessError(
                f"The service {question.service} at {endpoint_url} {problem}, so that nothing can"
                f" be deployed there: start that local AWS again.{last_errors(log_path)}"
            )


def _problem(
    opener: urllib.request.OpenerDirector,
    request: urllib.request.Request,
    timeout_seconds: float,
) -> str | None:
    """What is wrong with the answer to a request; a refusal is an answer too."""
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            response.read()
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", errors="replace").strip()[:_SHOWN_CHARACTERS]
        return f"answers {error.code} ({said})" if error.code >= 500 else None
    except TimeoutError:
        return f"gives no answer within {timeout_seconds:.0f} s"
    except OSError as error:
        return f"cannot be asked ({error})"
    return None
