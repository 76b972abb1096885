"""The demo corpus: consistent, large enough, odd where the real data is odd."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from examples.marvel.catalog.authored import (
    CORPUS_DIRECTORY,
    CorpusError,
    load_authored,
)
from examples.marvel.catalog.catalog import Catalog
from examples.marvel.catalog.expansion import demo_catalog, expand
from examples.marvel.wire import (
    ENTITY_TYPES,
    NULL_DATE,
    EntityType,
    WireEntity,
    parse_resource_uri,
    resource_uri,
)

CATALOG = demo_catalog()
EVERY_ENTITY = [(kind, entity) for kind in ENTITY_TYPES for entity in CATALOG.all(kind)]


def nested_lists(entity: WireEntity) -> dict[EntityType, WireEntity]:
    return {
        kind: entity[kind]
        for kind in ENTITY_TYPES
        if isinstance(entity.get(kind), dict) and "items" in entity[kind]
    }


def name_of(entity: WireEntity) -> str:
    return str(entity.get("name") or entity.get("fullName") or entity.get("title"))


def all_references(value: Any) -> list[WireEntity]:
    """Every object below `value` that names another entity."""
    if isinstance(value, list):
        return [found for member in value for found in all_references(member)]
    if not isinstance(value, dict):
        return []
    own = [value] if "resourceURI" in value and "id" not in value else []
    return own + [found for member in value.values() for found in all_references(member)]


def sentences(catalog: Catalog) -> list[str]:
    texts = [
        entity.get("description") or "" for kind in ENTITY_TYPES for entity in catalog.all(kind)
    ]
    return [part for text in texts for part in re.split(r"(?<=[.!?])\s+", text) if part]


def test_it_is_large_enough_in_every_type() -> None:
    counts = CATALOG.counts()
    assert sum(counts.values()) >= 170
    assert counts["characters"] >= 45
    assert counts["comics"] >= 40
    assert counts["series"] >= 20
    assert counts["events"] >= 15
    assert counts["creators"] >= 30
    assert counts["stories"] >= 30


def test_every_reference_leads_to_the_entity_it_names() -> None:
    references = all_references([entity for _, entity in EVERY_ENTITY])
    assert len(references) > 1000
    for reference in references:
        target = parse_resource_uri(reference["resourceURI"])
        assert target is not None, reference
        entity = CATALOG.get(*target)
        assert entity is not None, reference
        assert name_of(entity) == reference["name"] or reference["name"] == ""


def test_nested_lists_count_what_they_hold() -> None:
    for kind, entity in EVERY_ENTITY:
        for other, nested in nested_lists(entity).items():
            assert nested["available"] >= nested["returned"] == len(nested["items"])
            assert nested["available"] == nested["returned"] or nested["returned"] == 20
            assert nested["collectionURI"] == f"{resource_uri(kind, entity['id'])}/{other}"
            uris = [item["resourceURI"] for item in nested["items"]]
            assert len(uris) == len(set(uris))


def test_relations_can_be_read_from_both_sides() -> None:
    for kind, entity in EVERY_ENTITY:
        for other_kind, nested in nested_lists(entity).items():
            related = CATALOG.related(kind, entity, other_kind)
            assert len(related) == nested["available"], (kind, entity["id"], other_kind)


def test_some_list_is_cut_at_twenty() -> None:
    ultron = next(entity for entity in CATALOG.all("characters") if entity["name"] == "Ultron")
    assert ultron["comics"]["available"] > ultron["comics"]["returned"] == 20


def test_no_sentence_and_no_title_stands_for_two_entities() -> None:
    repeated = [text for text, count in Counter(sentences(CATALOG)).items() if count > 1]
    assert repeated == []
    for kind in ENTITY_TYPES:
        names = Counter(name_of(entity) for entity in CATALOG.all(kind))
        assert max(names.values()) == 1, (kind, names.most_common(1))


def test_who_created_ultron_has_an_answer() -> None:
    [ultron] = [entity for entity in CATALOG.all("characters") if entity["name"] == "Ultron"]
    first_sentence = ultron["description"].split(". ")[0]
    assert "Hank Pym created Ultron" in first_sentence
    claims = [text for text in sentences(CATALOG) if re.search(r"\bcreated Ultron\b", text)]
    assert len(claims) >= 2
    assert all("Pym" in claim for claim in claims)


def test_entities_with_descriptions_say_enough() -> None:
    for kind in ("characters", "events"):
        texts = [entity["description"] for entity in CATALOG.all(kind)]
        assert all(len(text) >= 60 for text in texts if text)
        assert sum(not text for text in texts) <= 3


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("series", "description", None),
        ("comics", "description", None),
        ("comics", "description", ""),
        ("characters", "description", ""),
        ("characters", "modified", NULL_DATE),
        ("comics", "issueNumber", 12.1),
        ("comics", "issueNumber", 0),
        ("events", "start", None),
        ("events", "end", None),
        ("stories", "thumbnail", None),
        ("stories", "title", ""),
        ("creators", "suffix", "Jr."),
    ],
)
def test_oddities_of_the_real_data_are_there(kind: EntityType, field: str, value: object) -> None:
    assert any(entity[field] == value for entity in CATALOG.all(kind))


def test_odd_types_and_texts_are_there() -> None:
    comics = list(CATALOG.all("comics"))
    texts = [entity.get("description") or "" for _, entity in EVERY_ENTITY]
    roles = {item["role"] for comic in comics for item in comic["creators"]["items"]}
    dates = {date["date"] for comic in comics for date in comic["dates"] if date["type"][0] == "o"}
    assert any(isinstance(comic["isbn"], int) for comic in comics)
    assert any("\r<br>" in text for text in texts)
    assert any("<p>" in text for text in texts)
    assert any("&amp;" in text for text in texts)
    assert {"writer", "Writer", "penciler", "penciller", "colorist", "Colorist", ""} <= roles
    assert NULL_DATE in dates
    names = {name_of(entity) for _, entity in EVERY_ENTITY}
    assert {"X-23", "Captain Marvel (Mar-Vell)", "Araña", "George Pérez"} <= names


def copied_corpus() -> dict[str, list[dict[str, Any]]]:
    """The files of the corpus as plain data, to be spoilt."""
    return {
        kind: json.loads((CORPUS_DIRECTORY / f"{kind}.json").read_text("utf-8"))
        for kind in ENTITY_TYPES
    }


def write_corpus(directory: Path, content: dict[str, list[dict[str, Any]]]) -> None:
    for kind, entities in content.items():
        (directory / f"{kind}.json").write_text(json.dumps(entities), "utf-8")


@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        ("comics", "series", "nowhere", "nowhere"),
        ("comics", "characters", ["nobody"], "nobody"),
        ("comics", "creators", {"nobody": "writer"}, "nobody"),
        ("comics", "events", ["never"], "never"),
        ("comics", "collects", ["nothing"], "nothing"),
        ("events", "characters", ["nobody"], "nobody"),
        ("stories", "comic", "nowhere", "nowhere"),
        ("series", "previous", "nowhere", "nowhere"),
    ],
)
def test_a_reference_to_nothing_is_refused(
    tmp_path: Path, kind: str, field: str, value: object, message: str
) -> None:
    content = copied_corpus()
    content[kind][0][field] = value
    write_corpus(tmp_path, content)
    with pytest.raises(CorpusError, match=message):
        expand(load_authored(tmp_path))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("nickname", "x", "characters.json: 1.nickname"),
        ("id", "x", "characters.json: 1.id"),
        ("key", "No Spaces", "characters.json: 1.key"),
        ("id", 9100001, "characters.json: .*id 9100001 stands for 2"),
        ("key", "ultron", "characters.json: .*key ultron stands for 2"),
    ],
)
def test_a_broken_entry_is_named(tmp_path: Path, field: str, value: object, message: str) -> None:
    content = copied_corpus()
    content["characters"][1][field] = value
    write_corpus(tmp_path, content)
    with pytest.raises(CorpusError, match=message):
        load_authored(tmp_path)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    write_corpus(tmp_path, copied_corpus())
    (tmp_path / "events.json").write_text("[{", "utf-8")
    with pytest.raises(CorpusError, match=r"events\.json"):
        load_authored(tmp_path)
    (tmp_path / "events.json").unlink()
    with pytest.raises(CorpusError, match=r"events\.json"):
        load_authored(tmp_path)
