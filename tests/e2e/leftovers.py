"""What is left of a deployment in an account, asked of AWS itself rather than of Terraform."""

from collections.abc import Callable, Iterator
from typing import Any

from scripts.bundling.functions import LAYERS

MakeClient = Callable[[str], Any]

# Service, operation, where its answer lists things, and what names each.
LISTINGS = (
    ("s3", "list_buckets", "Buckets", "Name"),
    ("dynamodb", "list_tables", "TableNames", None),
    ("sqs", "list_queues", "QueueUrls", None),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "FunctionArn"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("events", "list_rules", "Rules", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("apigateway", "get_rest_apis", "items", "name"),
    ("apigateway", "get_api_keys", "items", "name"),
    ("apigateway", "get_usage_plans", "items", "name"),
)


def leftovers(make_client: MakeClient, name_prefix: str) -> Iterator[str]:
    """Yield everything in the account whose name holds the prefix."""
    for service, operation, listing, name in LISTINGS:
        answer = getattr(make_client(service), operation)()
        for item in answer.get(listing, []):
            identity = item if name is None else item[name]
            if name_prefix in identity:
                yield f"{service}: {identity}"
    # By name: LocalStack's list of all layers breaks on one whose versions are all deleted.
    functions = make_client("lambda")
    for layer in LAYERS:
        name = f"{name_prefix}-{layer}"
        for version in functions.list_layer_versions(LayerName=name)["LayerVersions"]:
            yield f"lambda: layer {name} {version['Version']}"
