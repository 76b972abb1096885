"""What the launcher changes in the API Gateway of MiniStack; each `repair_…` names one defect."""

import asyncio
from typing import Any

# Of an integration that names no limit, as on AWS.
INTEGRATION_LIMIT_MILLISECONDS = 29_000


def repair_gateway(gateway: Any) -> None:
    """Apply every repair below to `ministack.services.apigateway_v1`."""
    repair_mock_integrations(gateway)
    repair_generated_api_keys(gateway)
    repair_usage_plan_updates(gateway)
    repair_function_errors(gateway)
    repair_integration_limits(gateway)


def repair_mock_integrations(gateway: Any) -> None:
    """1.5.33: a MOCK integration, which has no HTTP method, reads back as POST."""
    original = gateway._put_integration

    def put_integration(
        api_id: str, resource_id: str, http_method: str, data: dict[str, Any]
    ) -> Any:
        if data.get("type") == "MOCK":
            data = {"httpMethod": None, **data}
        return original(api_id, resource_id, http_method, data)

    gateway._put_integration = put_integration


def repair_generated_api_keys(gateway: Any) -> None:
    """1.5.33: the empty value by which Terraform asks for a generated key is refused as short."""
    original = gateway._create_api_key

    def create_api_key(data: dict[str, Any]) -> Any:
        return original(
            {name: item for name, item in data.items() if (name, item) != ("value", "")}
        )

    gateway._create_api_key = create_api_key


def repair_usage_plan_updates(gateway: Any) -> None:
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


class _InvocationFailedError(Exception):
    """A function gave no answer for the caller; `status` is what AWS answers then."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the invocation failed: {status}")
        self.status = status


def repair_function_errors(gateway: Any) -> None:
    """1.5.33: callers see Lambda's own error, as 429 or 502, where AWS tells nothing of the inside.

    On AWS a call that Lambda refuses, as when it throttles, is 500, and a function that fails is
    502, both through the gateway response DEFAULT_5XX.
    """
    original_answer, original_invoke = (
        gateway._lambda_proxy_response,
        gateway._invoke_lambda_proxy_v1,
    )
    original_render = gateway._gateway_error_response

    def lambda_proxy_response(result: dict[str, Any]) -> Any:
        if result.get("throttle"):
            raise _InvocationFailedError(500)
        answer, failure = original_answer(result)
        if failure is not None:
            raise _InvocationFailedError(502)
        return answer, None

    async def invoke(*arguments: Any, **options: Any) -> Any:
        try:
            return await original_invoke(*arguments, **options)
        except _InvocationFailedError as failed:
            error = gateway._GatewayError("DEFAULT_5XX", "Internal server error")
            error.kept_status = failed.status
            return error

    def render(error: Any, request: dict[str, Any]) -> Any:
        status, headers, body = original_render(error, request)
        # 500 is what MiniStack gives a response without a status, which keeps that of the error.
        kept_status = getattr(error, "kept_status", status) if status == 500 else status
        return kept_status, headers, body

    gateway._lambda_proxy_response = lambda_proxy_response
    gateway._invoke_lambda_proxy_v1 = invoke
    gateway._gateway_error_response = render


def repair_integration_limits(gateway: Any) -> None:
    """1.5.33: a function is waited for however long it takes; AWS gives up at the limit, with 504.

    The function goes on, as on AWS.
    """
    original = gateway._invoke_lambda_proxy_v1
    unfinished: set[asyncio.Task[Any]] = set()

    async def invoke(integration: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        work = asyncio.create_task(original(integration, *arguments, **options))
        unfinished.add(work)
        work.add_done_callback(unfinished.discard)
        limit = integration.get("timeoutInMillis") or INTEGRATION_LIMIT_MILLISECONDS
        done, _ = await asyncio.wait({work}, timeout=float(limit) / 1000)
        if done:
            return work.result()
        return gateway._GatewayError("INTEGRATION_TIMEOUT", "Endpoint request timed out")

    gateway._invoke_lambda_proxy_v1 = invoke
