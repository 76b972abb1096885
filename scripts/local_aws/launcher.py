"""Run MiniStack, a local AWS, with its known differences from AWS repaired.

Runs in `.venv-local-aws` only, and imports nothing of this project but its neighbour for the API
Gateway, which needs no package. Functions see neither: MiniStack runs each in a process with a path
of its own. Every `repair_…` names one defect of one release; when the pin in
requirements/constraints.txt moves, each is looked at again.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from scripts.local_aws.gateway_repairs import repair_gateway

REPAIRED_VERSION = "1.5.33"
# Where decisions about the calls of roles are written down, a JSON document a line.
DECISIONS_VARIABLE = "ULTRON_POLICY_DECISIONS"

# AWS authorises these calls under another action's name.
IAM_ACTION_OF_OPERATION = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "bedrock:Converse": "bedrock:InvokeModel",
    "bedrock:ConverseStream": "bedrock:InvokeModelWithResponseStream",
}


def query_xml(value: Any) -> str:
    """A value in the XML of AWS's query protocol; absent and empty scalars are left out."""
    if isinstance(value, dict):
        return "".join(
            f"<{name}>{query_xml(item)}</{name}>"
            for name, item in value.items()
            if item is not None and item != ""
        )
    if isinstance(value, list):
        return "".join(f"<member>{query_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))


def alarm_members(alarms: list[dict[str, Any]]) -> str:
    """`<member>` elements of alarms as DescribeAlarms stores them.

    Times are left out (the store keeps them in another format than the XML protocol). An alarm on a
    percentile has no `Statistic`, though the store fills in an average.
    """
    members = []
    for alarm in alarms:
        left_out = {"Statistic"} if alarm.get("ExtendedStatistic") else set[str]()
        members.append(
            {
                name: value
                for name, value in alarm.items()
                if name not in left_out and name != "Tags" and not name.endswith("Timestamp")
            }
        )
    return query_xml(members)


def repair_alarm_descriptions(cloudwatch: Any) -> None:
    """1.5.33: DescribeAlarms' XML lacks dimensions, period, statistic and actions.

    The JSON answer has them: ask for that one, and write its alarms into the XML.
    """
    original = cloudwatch._describe_alarms

    def describe_alarms(
        params: dict[str, Any], cbor_data: Any, is_cbor: bool, is_json: bool = False
    ) -> Any:
        answer = original(params, cbor_data, is_cbor, is_json)
        if is_cbor or is_json or answer[0] != 200:
            return answer
        status, headers, body = answer
        before, opening, rest = body.decode().partition("<MetricAlarms>")
        _, closing, after = rest.partition("</MetricAlarms>")
        shown = [
            alarm
            for name, alarm in sorted(cloudwatch._alarms.items())
            if f"<AlarmName>{name}</AlarmName>" in rest
        ]
        repaired = before + opening + alarm_members(shown) + closing + after
        return status, headers, repaired.encode()

    cloudwatch._describe_alarms = describe_alarms


def repair_iam_actions(actions: Any) -> None:
    """1.5.33: with AUTH=true, batch and Converse calls are checked under names AWS never checks."""
    original = actions.extract_iam_action

    def extract_iam_action(*arguments: Any, **options: Any) -> str | None:
        action: str | None = original(*arguments, **options)
        return action if action is None else IAM_ACTION_OF_OPERATION.get(action, action)

    actions.extract_iam_action = extract_iam_action


def leading_keys(body: bytes, partition_key: str) -> list[str]:
    """The values of the partition key that a DynamoDB request names; a Scan names none."""
    data = json.loads(body or b"{}")
    names = data.get("ExpressionAttributeNames") or {}
    values = data.get("ExpressionAttributeValues") or {}
    items = [data.get("Key"), data.get("Item")]
    for name, value in re.findall(
        r"(#?\w+)\s*=\s*(:\w+)", data.get("KeyConditionExpression") or ""
    ):
        items.append({names.get(name, name): values.get(value)})
    for asked in (data.get("RequestItems") or {}).values():
        for one in asked.get("Keys", []) if isinstance(asked, dict) else asked:
            put = one.get("PutRequest", {}).get("Item")
            items.append(put or one.get("DeleteRequest", {}).get("Key") or one)
    for one in data.get("TransactItems") or []:
        [part] = one.values()
        items.append(part.get("Key") or part.get("Item"))
    found = [item[partition_key] for item in items if item and item.get(partition_key)]
    return [value for given in found for value in given.values()]


def repair_leading_keys(actions: Any, partition_key: str = "PK") -> None:
    """1.5.33: `dynamodb:LeadingKeys` is absent from every request, which meets any condition."""
    original = actions.dynamodb_service_context

    def dynamodb_service_context(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = original(body)
        found = leading_keys(body, partition_key)
        return context | ({"dynamodb:LeadingKeys": found} if found else {})

    actions.dynamodb_service_context = dynamodb_service_context


def repair_absent_objects(app: Any) -> None:
    """1.5.33: who may not list a bucket is told that an object is absent, where S3 answers 403.

    S3 asks whether the key itself might be listed: it takes the key for the prefix of a list.
    """
    original = app._dispatch_service_request

    async def dispatch_service_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any, request_id: str
    ) -> Any:
        answer = await original(method, path, headers, body, query, request_id)
        bucket, _, key = path.lstrip("/").partition("/")
        if answer[0] != 404 or method not in {"GET", "HEAD"} or not key or not app.AUTH:
            return answer
        if app.detect_service(method, path, headers, query) != "s3":
            return answer
        refusal = app._enforce_data_plane(
            "s3",
            "s3:ListBucket",
            headers,
            query,
            request_id,
            resource_arn=f"arn:aws:s3:::{bucket}",
            service_context={"s3:prefix": unquote(key)},
        )
        return answer if refusal is None else refusal

    app._dispatch_service_request = dispatch_service_request


def area_of(resource: str) -> str:
    """The part of a resource that a role's pattern tells apart: a prefix of the bucket's keys."""
    return "/".join(resource.split("/")[:2]) if resource.startswith("arn:aws:s3") else resource


def record_decisions(evaluator: Any, sessions: Any, path: Path) -> None:
    """Write down what roles were refused, and the first time that each was allowed something."""
    original, allowed = evaluator.enforce, set[tuple[str, ...]]()

    def enforce(access_key_id: str, iam_action: str, *arguments: Any, **options: Any) -> Any:
        refusal = original(access_key_id, iam_action, *arguments, **options)
        session = sessions.get(access_key_id)
        if session is None:
            return refusal
        role = str(session["Arn"]).split("/")[1]
        keys = (options.get("service_context") or {}).get("dynamodb:LeadingKeys", [])
        kinds = sorted({re.sub(r"[#_].*", "", key) for key in keys})
        area = area_of(str(options.get("resource_arn")))
        if refusal is not None or (role, iam_action, area, *kinds) not in allowed:
            allowed.add((role, iam_action, area, *kinds))
            decision = {
                "role": role,
                "action": iam_action,
                "resource": area,
                "key_kinds": kinds,
                "is_allowed": refusal is None,
            }
            with path.open("a", encoding="utf-8") as opened:
                opened.write(json.dumps(decision) + "\n")
        return refusal

    evaluator.enforce = enforce


def repair_shared_temporary_directory(runtime: Any) -> None:
    """1.5.33: all functions share the machine's /tmp, where AWS gives each environment its own.

    A function's variables that name something below /tmp are pointed at the worker's own folder,
    which MiniStack removes with the worker: nothing is left on the machine, no worker finds
    another's files, and a cold start is one.
    """
    given = "    os.environ.update(env)\n"
    own = (
        "    _own = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tmp')\n"
        "    os.makedirs(_own, exist_ok=True)\n"
        "    env = {k: _own + v[4:] if v.startswith('/tmp/') else v for k, v in env.items()}\n"
    )
    _change_worker_script(runtime, given, own + given)


def repair_unpacking(runtime: Any, folder: Path) -> None:
    """1.5.33: every worker unpacks its function and layers again, up to a second of CPU time.

    Zips of equal content are unpacked once into `folder`, which is emptied first, and each worker
    gets a link: its files are read-only on AWS, so no function writes there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    unpacking = threading.Lock()

    class SharedZip(zipfile.ZipFile):
        def extractall(self, path: Any = None, *_: Any, **__: Any) -> None:
            with Path(str(self.filename)).open("rb") as opened:
                shared = folder / hashlib.file_digest(opened, "sha256").hexdigest()
            with unpacking:
                if not shared.is_dir():
                    folder.mkdir(parents=True, exist_ok=True)
                    partial = tempfile.mkdtemp(dir=folder)
                    super().extractall(partial)
                    Path(partial).rename(shared)
            Path(path).rmdir()
            Path(path).symlink_to(shared)

    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedZip})


def repair_error_types(runtime: Any, lambdas: Any) -> None:
    """1.5.33: every exception of a Python function is reported as `Runtime.HandlerError`.

    AWS names the exception's class, by which callers tell a lease that is held from a fault. The
    worker is made to send the name, which is kept for the thread that writes the answer.
    """
    given = '"trace": traceback.format_exc()}'
    _change_worker_script(runtime, given, given[:-1] + ', "error_type": type(e).__name__}')
    original_invoke, original_execute = runtime.Worker.invoke, lambdas._execute_function_warm
    last = threading.local()

    def invoke(worker: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        result: dict[str, Any] = original_invoke(worker, *arguments, **options)
        last.error_type = result.get("error_type")
        return result

    def execute(*arguments: Any) -> dict[str, Any]:
        last.error_type = None
        answer: dict[str, Any] = original_execute(*arguments)
        if answer.get("error") and last.error_type:
            answer["body"]["errorType"] = last.error_type
        return answer

    runtime.Worker.invoke = invoke
    lambdas._execute_function_warm = execute


def _change_worker_script(runtime: Any, given: str, wanted: str) -> None:
    """Change a passage of the script that MiniStack runs in each worker of a Python function."""
    if runtime._PYTHON_WORKER_SCRIPT.count(given) != 1:
        sys.exit(f"MiniStack's worker script is not the one that is known here: no {given!r}.")
    runtime._PYTHON_WORKER_SCRIPT = runtime._PYTHON_WORKER_SCRIPT.replace(given, wanted)


def main() -> None:
    """Repair MiniStack and serve until SIGTERM; its settings come from the environment."""
    if version("ministack") != REPAIRED_VERSION:
        sys.exit(
            f"This launcher repairs MiniStack {REPAIRED_VERSION} and found {version('ministack')}:"
            " remove .venv-local-aws and run `make environments`."
        )
    from ministack import app
    from ministack.core import iam_actions, iam_evaluator, lambda_runtime
    from ministack.services import apigateway_v1, cloudwatch, lambda_svc, sts

    repair_alarm_descriptions(cloudwatch)
    repair_gateway(apigateway_v1)
    repair_iam_actions(iam_actions)
    repair_leading_keys(iam_actions)
    repair_absent_objects(app)
    if DECISIONS_VARIABLE in os.environ:
        record_decisions(iam_evaluator, sts._sessions, Path(os.environ[DECISIONS_VARIABLE]))
    repair_shared_temporary_directory(lambda_runtime)
    repair_unpacking(lambda_runtime, Path(tempfile.gettempdir()) / "unpacked")
    repair_error_types(lambda_runtime, lambda_svc)
    app.main()
