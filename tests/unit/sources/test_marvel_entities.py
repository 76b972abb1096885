"""Marvel records become canonical entities; odd data is kept or warned of, never invented."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.canonical.page import derive_page
from shared.canonical.records import RecordContext, RecordRejectedError
from shared.models.entity import Edge, Entity
from shared.sources.marvel.entities import canonicalise_marvel
from tests.unit.canonical import wire_samples as samples

RUN_ID = "20261123T060000Z-1a2b3c4d"
RECORDED = Path(__file__).parents[3].parent / "shared/data/marvel-recorded/responses.jsonl"


def context(endpoint: str) -> RecordContext:
    return RecordContext(endpoint, RUN_ID, "Data provided by Marvel. © 2024 MARVEL")


def entity_of(endpoint: str, **changes: Any) -> Entity:
    return canonicalise_marvel(samples.SAMPLES[endpoint](**changes), context(endpoint)).entity


def edges_of(endpoint: str, **changes: Any) -> set[tuple[str, str, str]]:
    edges = canonicalise_marvel(samples.SAMPLES[endpoint](**changes), context(endpoint)).edges
    return {(edge.relation, edge.from_key, edge.to_key) for edge in edges}


def test_a_character_is_read_whole() -> None:
    entity = entity_of("characters")
    assert entity.key == "character:7"
    assert entity.title == "Lamplighter"
    assert entity.description == "Keeps the lamps of the city.\nFears the dark & the sea."
    assert entity.modified == "2020-04-04T19:01:59-04:00"
    assert entity.thumbnail == "http://images.example/7.jpg"
    assert entity.attribution == "Data provided by Marvel. © 2024 MARVEL"
    assert entity.ingest_run_id == RUN_ID
    assert entity.warnings == ()
    assert entity.fields["comics_available"] == 2535
    assert entity.fields["events_available"] == 0


def test_links_lose_the_callers_key_and_what_is_no_web_address() -> None:
    assert entity_of("characters").urls == ("http://heroes.example/7?page=2",)


def test_a_comic_keeps_its_own_fields() -> None:
    entity = entity_of("comics")
    assert entity.fields == {
        "issue_number": 88.1,
        "page_count": 32,
        "format": "Comic",
        "isbn": "785110283",
        "digital_id": 0,
        "series_id": 21,
        "series": "Night Watch (1999)",
        "onsale_date": "1999-05-01T00:00:00-04:00",
        "foc_date": "-0001-11-30T00:00:00-0500",
        "print_price": 2.99,
        "creators_available": 2,
        "characters_available": 1,
        "stories_available": 1,
        "events_available": 1,
        "characters": ["characters 7"],
        "creators": ["creators 41", "creators 42"],
    }
    assert entity.thumbnail is None


def test_a_comic_without_description_takes_its_solicitation_and_invents_nothing() -> None:
    assert entity_of("comics").description == "A\nlong night."
    assert entity_of("comics", textObjects=[]).description == ""
    assert entity_of("comics", description="Own words.").description == "Own words."


def test_a_date_that_is_none_stays_as_text_with_a_warning() -> None:
    entity = entity_of("comics")
    assert entity.modified == "-0001-11-30T00:00:00-0500"
    assert [warning.partition(" ")[0] for warning in entity.warnings] == ["modified", "foc_date"]


@pytest.mark.parametrize(("empty", "expected"), [(None, None), ("", None)])
def test_no_date_is_no_date(empty: str | None, expected: str | None) -> None:
    entity = entity_of("characters", modified=empty)
    assert entity.modified is expected
    assert entity.warnings == ()


def test_the_other_types_keep_their_own_fields() -> None:
    series = entity_of("series").fields
    assert (series["start_year"], series["end_year"], series["rating"]) == (1999, 2001, "T+")
    assert series["series_type"] == "limited"
    event = entity_of("events").fields
    assert (event["start"], event["next_event_id"]) == ("1999-12-10T00:00:00", 52)
    assert "end" not in event
    assert "previous_event_id" not in event
    story = entity_of("stories")
    assert (story.fields["type_hint"], story.fields["original_issue_id"]) == ("cover", 11)
    assert story.warnings == ("the source has no title",)
    creator = entity_of("creators")
    assert creator.title == "Ada Quill Jr."
    assert creator.fields["first_name"] == "Ada"
    assert "middle_name" not in creator.fields
    assert creator.thumbnail == "http://images.example/41"


def test_both_ends_of_a_relation_tell_the_same_edge() -> None:
    assert ("character_appears_in_comic", "character:7", "comic:11") in edges_of("characters")
    told: dict[tuple[str, str, str], list[str]] = {}
    for endpoint in samples.SAMPLES:
        for edge in edges_of(endpoint):
            told.setdefault(edge, []).append(endpoint)
    among_samples = {
        edge
        for edge in told
        if {edge[1], edge[2]}
        <= {"character:7", "comic:11", "series:21", "event:51", "story:31", "creator:41"}
    }
    # The character sample lists no event and the character's side names no creator.
    told_once = {edge for edge in among_samples if len(told[edge]) == 1}
    assert told_once == {
        ("character_in_event", "character:7", "event:51"),
        ("story_first_in_comic", "story:31", "comic:11"),
    }
    assert {edge[0] for edge in told} == {
        "character_appears_in_comic",
        "character_appears_in_series",
        "character_appears_in_story",
        "character_in_event",
        "comic_collected_in_comic",
        "comic_has_variant_comic",
        "comic_in_event",
        "comic_part_of_series",
        "creator_of_comic",
        "creator_of_event",
        "creator_of_series",
        "creator_of_story",
        "event_followed_by_event",
        "series_followed_by_series",
        "series_in_event",
        "story_first_in_comic",
        "story_in_comic",
        "story_in_event",
        "story_in_series",
    }


def test_directions_of_edges_between_equal_types() -> None:
    assert ("series_followed_by_series", "series:20", "series:21") in edges_of("series")
    assert ("event_followed_by_event", "event:51", "event:52") in edges_of("events")
    assert ("comic_collected_in_comic", "comic:14", "comic:11") in edges_of("comics")
    assert ("comic_has_variant_comic", "comic:11", "comic:13") in edges_of("comics")


def test_references_without_address_are_counted_in_a_warning() -> None:
    items = [{"name": "?"}, {"resourceURI": "http://x/v1/public/comics/abc"}, {"resourceURI": None}]
    record = samples.character(comics={"available": 3, "items": items})
    result = canonicalise_marvel(record, context("characters"))
    assert result.entity.warnings == ("3 references in comics have no readable address",)
    assert not any(edge.relation == "character_appears_in_comic" for edge in result.edges)


@pytest.mark.parametrize("endpoint", sorted(samples.SAMPLES))
def test_a_record_with_an_id_alone_is_enough(endpoint: str) -> None:
    result = canonicalise_marvel({"id": 5}, context(endpoint))
    assert result.entity.source_id == "5"
    assert result.entity.description == ""
    assert result.edges == ()


@pytest.mark.parametrize("endpoint", sorted(samples.SAMPLES))
def test_null_and_php_empty_objects_are_tolerated(endpoint: str) -> None:
    whole = samples.SAMPLES[endpoint]()
    for name, value in whole.items():
        if name == "id":
            continue
        empties: list[object] = [None, []] if isinstance(value, dict | list) else [None]
        for empty in empties:
            result = canonicalise_marvel({**whole, name: empty}, context(endpoint))
            assert result.entity.source_id == str(whole["id"])


@pytest.mark.parametrize(
    ("changes", "field_path"),
    [
        ({"id": None}, "id"),
        ({"id": "7"}, "id"),
        ({"id": True}, "id"),
        ({"id": -1}, "id"),
        ({"id": 1.5}, "id"),
        ({"name": {"en": "x"}}, "name"),
        ({"modified": ["2020"]}, "modified"),
        ({"comics": {"available": 1, "items": ["x"]}}, "comics.items.0"),
        ({"comics": {"available": "many"}}, "comics.available"),
        ({"thumbnail": "x.jpg"}, "thumbnail"),
        ({"urls": [{"type": "detail", "url": 5.5, "x": 1}, 7]}, "urls.1"),
    ],
)
def test_a_broken_schema_names_the_field(changes: dict[str, Any], field_path: str) -> None:
    with pytest.raises(RecordRejectedError) as caught:
        canonicalise_marvel(samples.character(**changes), context("characters"))
    assert caught.value.field_path == field_path


@pytest.mark.parametrize("number", ["1e999", "nan", "-Infinity"])
def test_a_number_that_json_does_not_have_breaks_the_schema(number: str) -> None:
    with pytest.raises(RecordRejectedError) as caught:
        canonicalise_marvel({"id": 1, "issueNumber": number}, context("comics"))
    assert str(caught.value.field_path).startswith("issueNumber")


def test_an_unknown_endpoint_is_refused() -> None:
    with pytest.raises(RecordRejectedError, match="no endpoint 'villains'"):
        canonicalise_marvel({"id": 1}, context("villains"))


def test_the_checksum_follows_the_record_and_not_the_order_of_its_fields() -> None:
    record = samples.comic()
    swapped = dict(reversed(list(record.items())))
    checksum = canonicalise_marvel(record, context("comics")).entity.record_checksum
    assert canonicalise_marvel(swapped, context("comics")).entity.record_checksum == checksum
    assert entity_of("comics", pageCount=33).record_checksum != checksum


def test_every_recorded_response_is_understood() -> None:
    if not RECORDED.exists():
        pytest.skip("the recorded responses are not part of the repository")
    seen: set[str] = set()
    edges: set[Edge] = set()
    for line in RECORDED.read_text().splitlines():
        answer = json.loads(line)
        raw = [json.dumps(record) for record in answer["data"]["results"]]
        page = derive_page(raw, canonicalise_marvel, context(answer["entity"]))
        assert page.rejects == ()
        assert len(page.entities) == len({record["id"] for record in answer["data"]["results"]})
        for entity in page.entities:
            assert Entity.model_validate_json(entity.model_dump_json()) == entity
            assert "<br" not in entity.description
        seen |= {entity.key for entity in page.entities}
        edges |= set(page.edges)
    assert len({key.partition(":")[0] for key in seen}) == 6
    assert len(seen) > 400
    assert len(edges) > 5000
