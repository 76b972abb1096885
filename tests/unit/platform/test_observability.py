"""The index knows no cloud, and what it logs is written like all else."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CLOUD = {"aws_lambda_powertools", "aws_xray_sdk", "boto3", "botocore"}


def run(code: str) -> str:
    named = {"POWERTOOLS_SERVICE_NAME": "retrieve", "LOG_LEVEL": "INFO", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **named}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout


def test_what_the_index_logs_is_a_line_like_all_others() -> None:
    (line,) = run(
        "import logging, shared.platform.observability\n"
        "name = 'shared.index.maintenance.merging'\n"
        "logging.getLogger(name).error('it broke', extra={'key': 'a key'})"
    ).splitlines()
    found = json.loads(line)
    assert (found["level"], found["message"], found["key"]) == ("ERROR", "it broke", "a key")
    assert found["service"] == "retrieve"


def test_a_search_loads_nothing_of_the_cloud() -> None:
    loaded = run("import sys, shared.index.search.searcher\nprint(*sys.modules)").split()
    assert CLOUD.isdisjoint(name.partition(".")[0] for name in loaded)
