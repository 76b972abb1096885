"""`ultron corpus try` through a function of the local AWS that runs the real ingest handler."""

import io
import json
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.integration.cli.site import Site

ROOT = Path(__file__).resolve().parents[3]
CODE = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {sysconfig.get_path("purelib")!r}]
from services.ingest.handler import handler
"""
NOTES = {
    "name": "notes",
    "source": {"kind": "jsonl", "prefix": "sources/notes/"},
    "mapping": {"id": "n", "title": "head", "text": "body", "metadata": {"colours": "colours"}},
}
RECORDS = [
    {"n": 1, "head": "One", "body": "The first.", "colours": ["red", "blue"]},
    {"head": "Nobody", "body": "No id."},
    {"n": 3, "head": "Three", "body": "The third."},
]


@pytest.fixture
def trying(site: Site, local_aws_url: str) -> Site:
    """A deployment with an ingest function and an object to read."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("worker.py", CODE)
    site.functions.create_function(
        FunctionName=f"{site.name_prefix}-ingest",
        Runtime="python3.12",
        Role="arn:aws:iam::000000000000:role/test",
        Handler="worker.handler",
        Timeout=60,
        Code={"ZipFile": code.getvalue()},
        Environment={
            "Variables": {
                "AWS_ENDPOINT_URL": local_aws_url,
                "BUCKET_NAME": site.bucket_name,
                "CHECKPOINT_TABLE": site.table_name,
                "CORPORA_PARAMETER_PATH": f"/{site.name_prefix}/corpora",
                "MODEL_PREFIX": "models/tiny/1/",
                "SOURCE_SECRET_PREFIX": f"{site.name_prefix}/sources/",
                "NEXT_QUEUE_URL": site.queue_urls["page-jobs"],
                "COMPACT_QUEUE_URL": site.queue_urls["compact-jobs"],
                "STAGE_QUEUE_URLS": json.dumps(list(site.queue_urls.values())),
                "POWERTOOLS_TRACE_DISABLED": "1",
                "POWERTOOLS_METRICS_NAMESPACE": "test",
            }
        },
    )
    lines = "\n".join(json.dumps(record) for record in RECORDS)
    site.store.put("sources/notes/a.jsonl", lines.encode())
    return site


def test_a_file_is_tried_then_added_and_tried_by_name(trying: Site, tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps(NOTES))
    printed = trying.ultron("corpus", "try", "--file", str(path))
    assert "notes: 3 records of 1 page tried, nothing kept" in printed
    assert "document:1  One" in printed
    assert "colours: red, blue" in printed
    assert "rejected: n: the mapping's id" in printed
    trying.ultron("corpus", "add", str(path))
    answer = trying.answer("corpus", "try", "notes", "--limit", "1")
    assert [entity["key"] for entity in answer["entities"]] == ["document:1"]
    assert answer["pages_of_source"] == 1
    items = trying.dynamodb.scan(TableName=trying.table_name)["Items"]
    assert items == []
    assert [found.key for found in trying.store.list("")] == ["sources/notes/a.jsonl"]


def test_what_is_wrong_is_said(trying: Site, tmp_path: Path) -> None:
    assert "no corpus named" in trying.ultron("corpus", "try", "other", status=3)
    path = tmp_path / "broken.json"
    path.write_text('{"name": "x", "source": {"kind": "jsonl"}}')
    error = trying.ultron("corpus", "try", "--file", str(path), status=2)
    assert "broken.json" in error
    assert "source.jsonl.prefix" in error
    assert "limit" in trying.ultron("corpus", "try", "notes", "--limit", "1000", status=2)
