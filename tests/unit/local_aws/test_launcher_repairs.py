"""What the launcher changes in MiniStack, on stand-ins that have the defect of 1.5.33."""

import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.local_aws.gateway_repairs import (
    repair_generated_api_keys,
    repair_mock_integrations,
    repair_usage_plan_updates,
)
from scripts.local_aws.launcher import (
    alarm_members,
    query_xml,
    repair_iam_actions,
    repair_unpacking,
)


def test_values_are_written_as_the_query_protocol_wants_them() -> None:
    value = {"A": [{"Name": "a<b", "On": True}, "x"], "Left": None, "Out": "", "N": 1.5}
    assert query_xml(value) == (
        "<A><member><Name>a&lt;b</Name><On>true</On></member><member>x</member></A><N>1.5</N>"
    )


def test_a_percentile_alarm_has_no_statistic_and_no_times() -> None:
    alarm = {
        "Statistic": "Average",
        "ExtendedStatistic": "p95",
        "StateUpdatedTimestamp": 1,
        "Tags": 1,
    }
    assert alarm_members([alarm]) == ("<member><ExtendedStatistic>p95</ExtendedStatistic></member>")


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [("MOCK", {}, None), ("MOCK", {"httpMethod": "GET"}, "GET"), ("AWS_PROXY", {}, "POST")],
)
def test_only_mock_integrations_lose_the_default_method(
    kind: str, sent: dict[str, str], kept: str | None
) -> None:
    gateway = SimpleNamespace(
        _put_integration=lambda _api, _resource, _method, data: data.get("httpMethod", "POST")
    )
    repair_mock_integrations(gateway)
    assert gateway._put_integration("api", "resource", "GET", {"type": kind, **sent}) == kept


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ({"name": "k", "value": ""}, {"name": "k"}),
        ({"name": "k", "value": "given"}, {"name": "k", "value": "given"}),
        ({"name": ""}, {"name": ""}),
    ],
)
def test_an_empty_key_value_asks_for_a_generated_one(
    sent: dict[str, str], passed: dict[str, str]
) -> None:
    gateway = SimpleNamespace(_create_api_key=lambda data: data)
    repair_generated_api_keys(gateway)
    assert gateway._create_api_key(sent) == passed


def test_usage_plan_limits_are_numbers_after_an_update() -> None:
    plan: dict[str, Any] = {}

    def update(_plan_id: str, data: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        plan.update(data)
        return 200, {}, b"strings"

    gateway = SimpleNamespace(
        _update_usage_plan=update,
        _usage_plans={"p": plan},
        _v1_response=lambda data: (200, {}, data),
    )
    repair_usage_plan_updates(gateway)
    sent = {"throttle": {"rateLimit": "5", "burstLimit": "10"}, "quota": {"limit": "7"}}
    _, _, shown = gateway._update_usage_plan("p", sent)
    assert shown == {"throttle": {"rateLimit": 5.0, "burstLimit": 10}, "quota": {"limit": 7}}


@pytest.mark.parametrize(
    ("seen", "checked"),
    [
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("bedrock:Converse", "bedrock:InvokeModel"),
        ("s3:GetObject", "s3:GetObject"),
        (None, None),
    ],
)
def test_batches_are_checked_under_the_name_aws_checks(
    seen: str | None, checked: str | None
) -> None:
    actions = SimpleNamespace(extract_iam_action=lambda _service: seen)
    repair_iam_actions(actions)
    assert actions.extract_iam_action("any") == checked


def test_workers_share_what_a_zip_holds_and_leave_it_to_one_another(tmp_path: Path) -> None:
    runtime = SimpleNamespace(zipfile=zipfile)
    repair_unpacking(runtime, tmp_path / "unpacked")
    for number in range(3):
        # Each worker has its own copy of the zip; the last one's has another content.
        worker = tmp_path / f"worker-{number}"
        (worker / "code").mkdir(parents=True)
        with zipfile.ZipFile(worker / "code.zip", "w") as made:
            entry = zipfile.ZipInfo("deep/x.py")
            made.writestr(entry, "changed" if number == 2 else "first")
        with runtime.zipfile.ZipFile(worker / "code.zip") as opened:
            opened.extractall(worker / "code")
    shutil.rmtree(tmp_path / "worker-0")
    read = [(tmp_path / f"worker-{number}/code/deep/x.py").read_text() for number in (1, 2)]
    assert read == ["first", "changed"]
    assert len(list((tmp_path / "unpacked").iterdir())) == 2
