"""Run MiniStack, a local AWS, with its known differences from AWS mended.

Runs in `.venv-local-aws` only, and imports nothing else of this project: MiniStack runs functions
with the same interpreter, so what is visible here is visible to them. Every `mend_…` names one
defect of one release; when the pin in requirements/constraints.txt moves, each is looked at again.
"""

import sys
import threading
from importlib.metadata import version
from typing import Any
from xml.sax.saxutils import escape

MENDED_VERSION = "1.5.33"

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


def mend_alarm_descriptions(cloudwatch: Any) -> None:
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
        mended = before + opening + alarm_members(shown) + closing + after
        return status, headers, mended.encode()

    cloudwatch._describe_alarms = describe_alarms


def mend_mock_integrations(gateway: Any) -> None:
    """1.5.33: a MOCK integration, which has no HTTP method, reads back as POST."""
    original = gateway._put_integration

    def put_integration(
        api_id: str, resource_id: str, http_method: str, data: dict[str, Any]
    ) -> Any:
        if data.get("type") == "MOCK":
            data = {"httpMethod": None, **data}
        return original(api_id, resource_id, http_method, data)

    gateway._put_integration = put_integration


def mend_generated_api_keys(gateway: Any) -> None:
    """1.5.33: the empty value by which Terraform asks for a generated key is refused as short."""
    original = gateway._create_api_key

    def create_api_key(data: dict[str, Any]) -> Any:
        return original(
            {name: item for name, item in data.items() if (name, item) != ("value", "")}
        )

    gateway._create_api_key = create_api_key


def mend_usage_plan_updates(gateway: Any) -> None:
    """1.5.33: UpdateUsagePlan stores limits as strings, which Terraform cannot read back."""
    original = gateway._update_usage_plan
    number_of: dict[str, dict[str, type[int] | type[float]]] = {
        "throttle": {"rateLimit": float, "burstLimit": int},
        "quota": {"limit": int, "offset": int},
    }

    def update_usage_plan(plan_id: str, data: dict[str, Any]) -> Any:
        status, headers, body = original(plan_id, data)
        plan = gateway._usage_plans.get(plan_id)
        if status != 200 or plan is None:
            return status, headers, body
        for section, fields in number_of.items():
            for field, number in fields.items():
                if field in (plan.get(section) or {}):
                    plan[section][field] = number(plan[section][field])
        return gateway._v1_response(plan)

    gateway._update_usage_plan = update_usage_plan


def mend_iam_actions(actions: Any) -> None:
    """1.5.33: with AUTH=true, batch and Converse calls are checked under names AWS never checks."""
    original = actions.extract_iam_action

    def extract_iam_action(*arguments: Any, **options: Any) -> str | None:
        action: str | None = original(*arguments, **options)
        return action if action is None else IAM_ACTION_OF_OPERATION.get(action, action)

    actions.extract_iam_action = extract_iam_action


def mend_shared_temporary_directory(runtime: Any) -> None:
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


def mend_error_types(runtime: Any, lambdas: Any) -> None:
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
    """Mend MiniStack and serve until SIGTERM; its settings come from the environment."""
    if version("ministack") != MENDED_VERSION:
        sys.exit(
            f"This launcher mends MiniStack {MENDED_VERSION} and found {version('ministack')}:"
            " remove .venv-local-aws and run `make environments`."
        )
    from ministack import app
    from ministack.core import iam_actions, lambda_runtime
    from ministack.services import apigateway_v1, cloudwatch, lambda_svc

    mend_alarm_descriptions(cloudwatch)
    mend_mock_integrations(apigateway_v1)
    mend_generated_api_keys(apigateway_v1)
    mend_usage_plan_updates(apigateway_v1)
    mend_iam_actions(iam_actions)
    mend_shared_temporary_directory(lambda_runtime)
    mend_error_types(lambda_runtime, lambda_svc)
    app.main()


if __name__ == "__main__":
    main()
