"""Cold and warm `GET /retrieve` over HTTP, on the stack that `make demo` left running.

Cold means a new execution environment with an empty /tmp: the function's memory is changed by a
megabyte, which retires the old ones. The next request then imports, fetches and loads the model,
and opens the shards. Warm requests keep to the usage plan's 5 a second.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measured_run import client_maker
from scripts.demo.deployment import demo_deployment
from services.cli.ask.api import ApiClient
from services.cli.deployment.outputs import Deployment
from shared.platform.command_line import run_command

QUERY = "Who created Ultron?"
SECONDS_BETWEEN_REQUESTS = 0.25


def main() -> int:
    """Measure and print; the status is 1 when there is no demo to measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", type=int, default=5, help="cold requests (5)")
    parser.add_argument("--warm", type=int, default=100, help="warm requests (100)")
    options = parser.parse_args()
    deployment, servers = demo_deployment()
    if servers.local_aws.running_pid() is None or not deployment.outputs_path.exists():
        print("error: there is no running demo; `make demo` brings one up.", file=sys.stderr)
        return 1
    outputs = Deployment.read(Path(deployment.outputs_path))
    api = ApiClient(outputs.base_url(deployment.endpoint_url), outputs.api_key)
    client = client_maker(deployment)("lambda")
    function_name = outputs.function_names["retrieve"]
    memory_mb = client.get_function_configuration(FunctionName=function_name)["MemorySize"]
    cold: list[dict[str, float]] = []
    for number in range(options.cold):
        _retire(client, function_name, memory_mb + 1 - number % 2)
        cold.append(_request(api))
    _retire(client, function_name, memory_mb)
    _request(api)
    warm = [_request(api) for _ in range(options.warm)]
    _print("cold", cold)
    _print("warm", warm)
    return 0


def _retire(client: Any, function_name: str, memory_mb: int) -> None:
    client.update_function_configuration(FunctionName=function_name, MemorySize=memory_mb)
    client.get_waiter("function_updated_v2").wait(FunctionName=function_name)


def _request(api: ApiClient) -> dict[str, float]:
    """Time one request, in milliseconds: over HTTP, and within the function as it says itself."""
    time.sleep(SECONDS_BETWEEN_REQUESTS)
    started = time.perf_counter()
    answer = api.retrieve(QUERY, {})
    http_milliseconds = (time.perf_counter() - started) * 1000
    return {"http": http_milliseconds, **answer["timing_ms"]}


def _print(title: str, timings: list[dict[str, float]]) -> None:
    print(f"{title}, {len(timings)} requests, ms")
    for name in dict.fromkeys(name for timing in timings for name in timing):
        values = sorted(timing[name] for timing in timings if name in timing)
        worst = values[max(0, round(len(values) * 0.95) - 1)]
        print(
            f"  {name:7} p50 {statistics.median(values):8.1f}   p95 {worst:8.1f}   n {len(values)}"
        )


if __name__ == "__main__":
    sys.exit(run_command(main))
