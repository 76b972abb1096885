"""Corpora that already are in wire format."""

import gzip
import json
from pathlib import Path

import pytest

from examples.marvel.archive import load_archive
from examples.marvel.catalog.authored import CorpusError
from examples.marvel.wire import EntityType, WireEntity, resource_uri


def entity(kind: EntityType, number: int, title: str = "x") -> WireEntity:
    return {"id": number, "title": title, "resourceURI": resource_uri(kind, number)}


def test_every_form_of_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    page = {"code": 200, "data": {"total": 9, "results": [entity("comics", 1)]}}
    (tmp_path / "page.json").write_text(json.dumps(page), "utf-8")
    (tmp_path / "list.json").write_text(json.dumps([entity("series", 1), entity("series", 2)]))
    recorded = {"request": "/v1/public/events", "data": {"results": [entity("events", 3)]}}
    (tmp_path / "below" / "recorded.jsonl").write_text(json.dumps(recorded) + "\n\n", "utf-8")
    line = json.dumps(entity("stories", 4, "line\u2028separator"), ensure_ascii=False)
    (tmp_path / "below" / "raw.jsonl.gz").write_bytes(gzip.compress(line.encode()))
    (tmp_path / "README.txt").write_text("not data")
    counts = load_archive(tmp_path).counts()
    assert counts == {
        "characters": 0, "comics": 1, "series": 2, "events": 1, "creators": 0, "stories": 1,
    }  # fmt: skip


def test_the_later_of_two_versions_counts(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps([entity("events", 1, "old"), entity("events", 1, "new")]))
    stored = load_archive(file).get("events", 1)
    assert stored is not None
    assert stored["title"] == "new"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"results": []}\n{', "line 2"),
        ("a.jsonl", b"\xff\n", "a.jsonl"),
        ("a.jsonl.gz", b"not gzip", "a.jsonl.gz"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-4], "a.jsonl.gz"),
        ("a.json", b'["text"]', "found str"),
        ("a.json", b'{"id": 1}', "resourceURI"),
        ("a.json", b'{"id": 1, "resourceURI": 5}', "resourceURI"),
        ("a.json", b'{"id": 1, "resourceURI": "http://x/v1/public/comics/2"}', "resourceURI"),
        ("a.json", b'{"results": []}', "no entities"),
        ("a.txt", b"{}", "a.txt|no entities"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        load_archive(tmp_path)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="there is no such file or directory"):
        load_archive(tmp_path / "nowhere")
