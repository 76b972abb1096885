"""Invokes this very function, for the groups of shards that do not fit into one invocation."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import OverloadedError, PartialFailureError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class SelfInvocation:
    """Implements `InvokesGroups` by the Lambda API; safe under threads."""

    def __init__(self, client: "LambdaClient", function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def invoke(self, payload: bytes) -> bytes:
        """Send the payload and return the answer.

        Raises:
            OverloadedError: the function's concurrency is in use.
            PartialFailureError: it could not be invoked, did not answer in time, or crashed.
        """
        try:
            response = self._client.invoke(FunctionName=self._function_name, Payload=payload)
            body = response["Payload"].read()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "TooManyRequestsException":
                raise OverloadedError("the function's concurrency is in use") from None
            raise PartialFailureError(
                f"{self._function_name} could not be invoked: {code}"
            ) from error
        except BotoCoreError as error:
            raise PartialFailureError(
                f"{self._function_name} did not answer: {type(error).__name__}"
            ) from error
        if "FunctionError" in response:
            # The payload of a crash holds a stack trace, which may quote the query.
            raise PartialFailureError(
                f"{self._function_name} crashed ({response['FunctionError']}); see its log"
            )
        return body
