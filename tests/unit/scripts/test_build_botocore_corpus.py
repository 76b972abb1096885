"""The botocore corpus: what a record holds, and that equal input gives equal bytes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from scripts.build_botocore_corpus import (
    all_records,
    main,
    service_records,
    write_objects,
)
from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.records import RecordContext
from shared.models.mapping import FieldMapping

MODEL: dict[str, Any] = {
    "metadata": {"serviceFullName": "Amazon Lamps", "uid": "lamps-2020-01-01"},
    "documentation": "<p>Lamps &amp; lights.</p>",
    "operations": {
        "PutLamp": {"documentation": "<p>Puts <code>a lamp</code>.</p><note>Hot.</note>"},
        "GetLamp": {"documentation": "<p>Gets a lamp.</p>"},
        "Undocumented": {},
        "Empty": {"documentation": "<p> </p>"},
    },
}


def test_a_service_and_its_operations_become_records() -> None:
    records = list(service_records("lamps", MODEL))
    assert [record["id"] for record in records] == ["lamps", "lamps.GetLamp", "lamps.PutLamp"]
    assert records[0]["text"] == "Lamps & lights."
    assert records[2] == {
        "id": "lamps.PutLamp",
        "title": "Amazon Lamps: PutLamp",
        "text": "Puts a lamp.\nHot.",
        "url": "https://docs.aws.amazon.com/goto/WebAPI/lamps-2020-01-01/PutLamp",
        "service": "lamps",
        "operation": "PutLamp",
    }


def test_names_fall_back_on_what_every_model_has() -> None:
    metadata = {"serviceId": "Lamps", "endpointPrefix": "lamps", "apiVersion": "2020-01-01"}
    (record,) = service_records("lamps", {"metadata": metadata, "documentation": "Text"})
    assert record["title"] == "Lamps"
    assert record["url"].endswith("/lamps-2020-01-01")


def test_records_are_split_into_objects_and_old_ones_go(tmp_path: Path) -> None:
    (tmp_path / "botocore-00009.jsonl.gz").write_bytes(b"old")
    (tmp_path / "keep.txt").write_text("other")
    records = [{"id": str(number)} for number in range(5)]
    assert write_objects(records, tmp_path, 2) == 5
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "botocore-00001.jsonl.gz",
        "botocore-00002.jsonl.gz",
        "botocore-00003.jsonl.gz",
        "keep.txt",
    ]
    last = gzip.decompress((tmp_path / "botocore-00003.jsonl.gz").read_bytes())
    assert last == b'{"id": "4"}\n'


def test_the_command_writes_equal_bytes_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        options = ["--output", str(tmp_path / name), "--limit", "30", "--records-per-object", "20"]
        assert main(options) == 0
    assert capsys.readouterr().out.startswith("30 records in 2 objects below ")
    first, second = (
        [file.read_bytes() for file in sorted((tmp_path / name).iterdir())]
        for name in ("first", "second")
    )
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize("option", ["--limit", "--records-per-object"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", ""])
def test_bad_numbers_are_refused(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--output", str(tmp_path), f"{option}={value}"])
    assert caught.value.code == 2


def test_the_whole_corpus_is_large_unique_and_fit_for_the_jsonl_source() -> None:
    settings = FieldMapping(metadata={"service": "service", "operation": "operation"})
    context = RecordContext("records", "20261123T060000Z-1a2b3c4d")
    keys: set[str] = set()
    total = 0
    for record in all_records(Loader()):
        total += 1
        entity = canonicalise_mapped(
            settings, "jsonl", json.loads(json.dumps(record)), context
        ).entity
        assert entity.description
        assert entity.warnings == ()
        assert len(entity.urls) == 1
        keys.add(entity.key)
    assert len(keys) == total
    assert total > 12_000
