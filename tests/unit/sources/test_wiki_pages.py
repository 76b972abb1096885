"""Pages of a wiki: what stays of the markup, what an entity has, what is no page."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.records import RecordContext, RecordLeftOutError, RecordRejectedError
from shared.models.entity import Entity
from shared.sources.mediawiki.entities import MAXIMUM_WIKITEXT_CHARACTERS, canonicalise_wiki_page
from shared.sources.mediawiki.wiki_markup import prepared, restored
from shared.sources.mediawiki.wiki_text import wikitext_to_text

CONTEXT = RecordContext("pages", "20261123T060000Z-1a2b3c4d", "CC BY-SA 4.0")
TOKENS = st.sampled_from(
    "{{ }} [[ ]] {| |} [http://a.example ] <ref> </ref> <b> </b> <nowiki> </nowiki> <!-- --> <div "
    "{{{ }}} | = * # : ; '' ''' == <table> </table> &#xD800; &amp; &#0; \ufdd0 \ufdd1 __TOC__ //a "
    "mailto: File: Category: ] [ < >".split()
)
WIKITEXT = st.lists(TOKENS | st.text(max_size=8) | st.just("\n"), max_size=40).map("".join)


def page(content: str | None = "Text.", **members: Any) -> dict[str, Any]:
    revision: dict[str, Any] = {"revid": 7, "timestamp": "2026-01-02T03:04:05Z"}
    if content is not None:
        revision["slots"] = {"main": {"contentmodel": "wikitext", "content": content}}
    return {"pageid": 12, "ns": 0, "title": "Ultron", "revisions": [revision], **members}


def entity_of(record: dict[str, Any]) -> Entity:
    return canonicalise_wiki_page("page", record, CONTEXT).entity


def test_a_page_makes_an_entity() -> None:
    entity = entity_of(
        page(
            "'''Ultron''' is a [[robot]].",
            fullurl="https://wiki.example/Ultron",
            categories=[{"title": "Kategorie:Roboter", "ns": 14}],
        )
    )
    assert entity.key == "page:12"
    assert (entity.source, entity.title) == ("mediawiki", "Ultron")
    assert entity.description == "Ultron is a robot."
    assert entity.urls == ("https://wiki.example/Ultron",)
    assert entity.modified == "2026-01-02T03:04:05Z"
    assert entity.attribution == "CC BY-SA 4.0"
    assert entity.fields == {"namespace": 0, "revision_id": 7, "categories": ["Roboter"]}
    assert entity.warnings == ()


def test_an_extract_is_text_already() -> None:
    entity = entity_of(page(None, extract="Ultron is a [robot].\n\n\nIt has [[no]] links."))
    assert entity.description == "Ultron is a [robot].\nIt has [[no]] links."


def test_wikis_of_old_have_no_slots() -> None:
    record = page(None)
    record["revisions"][0]["content"] = "An ''old'' wiki."
    assert entity_of(record).description == "An old wiki."


def test_plain_texts_are_taken_as_they_are() -> None:
    record = page("# A [[note]]")
    record["revisions"][0]["slots"]["main"]["contentmodel"] = "markdown"
    assert entity_of(record).description == "# A [[note]]"


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        ({"texthidden": True}, "hides the text"),
        ({"contentmodel": "javascript", "content": "var a;"}, "a page of javascript"),
        ({}, "neither wikitext nor an extract"),
        ({"content": "a" * (MAXIMUM_WIKITEXT_CHARACTERS + 1)}, "more than 2,097,152 characters"),
        ({"content": 5}, "valid string"),
    ],
)
def test_what_is_no_text_is_rejected(main: dict[str, Any], reason: str) -> None:
    record = page(None)
    record["revisions"][0]["slots"] = {"main": main}
    with pytest.raises(RecordRejectedError, match=reason):
        entity_of(record)


@pytest.mark.parametrize(
    ("record", "field_path"),
    [
        ({}, "pageid"),
        ({"pageid": "12", "title": "T"}, "pageid"),
        ({"pageid": True, "title": "T"}, "pageid"),
        ({"pageid": -1, "title": "T"}, "pageid"),
        ({"pageid": 1, "title": None}, "title"),
        ({"pageid": 1, "title": "T", "categories": [{"title": 1}]}, "categories.0.title"),
        ({"pageid": 1, "title": "T"}, "revisions"),
    ],
)
def test_the_field_at_fault_is_named(record: dict[str, Any], field_path: str) -> None:
    with pytest.raises(RecordRejectedError) as caught:
        entity_of(record)
    assert caught.value.field_path == field_path


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("{{Infobox|name=Ultron|of={{Team|x}}}}Ultron", "Ultron"),
        (
            "He is '''bold''' and ''slanted'' and '''''both'''''.",
            "He is bold and slanted and both.",
        ),
        ("[[Vision (Marvel)|Vision]]s and [[Thor]]", "Visions and Thor"),
        ("See [[Thor#Hammer]] and [[:Category:Gods]].", "See Thor#Hammer and Category:Gods."),
        ("[[File:U.jpg|thumb|A [[robot]] by [https://a.example Hank]]]Text", "Text"),
        ("[[Datei:U.PNG|mini|Ein Bild]]Text[[Image:Old.gif]]", "Text"),
        ("Text[[Category:Robots]][[category:Foes|Ultron]][[Kategorie:Roboter]]", "Text"),
        ("Text [[de:Ultron]]", "Text"),
        ("Text [[de:Ultron|in German]]", "Text in German"),
        ("One<ref>A source, {{cite|x}}</ref>, two<ref name=a />.", "One, two."),
        ("One<REF>never closed", "Onenever closed"),
        ("{| class=x\n! Head\n|-\n| cell || {{t}}\n|}\nText", "Text"),
        ("<table><tr><td>cell</td></tr></table>Text", "Text"),
        ("== Life ==\nBorn.\n=== Youth ===\nYoung.", "Life\nBorn.\nYouth\nYoung."),
        ("* one\n** two\n# three\n: four\n; five", "one\ntwo\nthree\nfour\nfive"),
        ("[https://a.example A label] [https://b.example]", "A label"),
        ("At https://a.example/x_y too", "At https://a.example/x_y too"),
        ("A [plain] bracket, a[0][1]", "A [plain] bracket, a[0][1]"),
        ("<!-- hidden -->Seen<!-- never closed", "Seen"),
        ("<nowiki>[[raw]] ''x'' {{y}}</nowiki>", "[[raw]] ''x'' {{y}}"),
        ("<syntaxhighlight lang=py>a = {'b': [1]}  # c</syntaxhighlight>", "a = {'b': [1]} # c"),
        ("<gallery>\nFile:a.jpg|A\n</gallery>Text", "Text"),
        ("<includeonly>Hidden</includeonly><noinclude>Shown</noinclude>", "Shown"),
        ("One<br>two<br/>three<p>four</p>", "One\ntwo\nthree\nfour"),
        ("<span style='a>b'>x</span> <unknown>y", "b'>x <unknown>y"),
        ("a&nbsp;b &amp; c &lt;d&gt; &#8212;", "a b & c <d> —"),
        ("__NOTOC__Text __init__", "Text __init__"),
        ("Ultron ({{IPA|x}}) is", "Ultron is"),
        ("{{{1|default}}}Text", "Text"),
        ("An open {{template and [[link", "An open {{template and [[link"),
        ("A stray }} and ]] here", "A stray }} and ]] here"),
        ("----\nText", "Text"),
        ("#REDIRECT [[Vision]]", "REDIRECT Vision"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a\ufdd0b\ufdd1", "ab"),
        ("a&#xD800;b &#x80;", "a\ufffdb €"),
    ],
)
def test_markup_goes_and_words_stay(wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext, ["Kategorie"]) == text


@pytest.mark.parametrize(
    "unit",
    [
        "[[a|<ref>]]</ref>",
        "[[File:a|[[b|{{c|",
        "<b a='",
        "<ref>",
        "[//a",
        "[http://a [[http://b ",
        "{|\n{{a|\n",
        "http://a/[[",
    ],
)
def test_no_bracket_is_left_without_its_partner(unit: str) -> None:
    # With one of these, a few thousand times, the parser alone is busy for minutes or for hours.
    markup = prepared(unit * 50)
    assert markup.count("[[") == markup.count("]]")
    assert markup.count("{{") == markup.count("}}")
    assert markup.count("{|") == markup.count("|}")
    assert "<" not in markup
    assert "[//" not in markup
    assert "://" not in markup


@pytest.mark.parametrize(
    "unit", ["*", "\n;;::", "\n----", "<br>*", "<table><td>a</table>", "\n|a", "!!a"]
)
def test_lists_and_tables_that_no_function_has_room_for_are_left_out(unit: str) -> None:
    with pytest.raises(RecordLeftOutError, match="more than 100,000 marks"):
        wikitext_to_text(unit * 110_000)


def test_a_long_list_is_a_text() -> None:
    assert wikitext_to_text("* item\n" * 2000).count("item") == 2000


def test_deep_nesting_is_no_markup() -> None:
    markup = prepared("{{a|" * 40 + "}}" * 40)
    assert markup.count("{{") == markup.count("}}") == 25


@given(WIKITEXT)
def test_any_wikitext_becomes_a_text(wikitext: str) -> None:
    record = json.loads(json.dumps(page(wikitext)))
    try:
        entity = entity_of(record)
    except RecordRejectedError:
        return
    entity.model_dump_json().encode()
    assert not any("\ufdd0" <= sign <= "\ufddf" for sign in entity.description)


@given(WIKITEXT)
def test_what_is_hidden_from_the_parser_comes_back(wikitext: str) -> None:
    text = restored(prepared(wikitext))
    assert not any("\ufdd0" <= sign <= "\ufddd" for sign in text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["pageid", "title", "revisions", "slots", "main", "content", "extract"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_record_is_an_entity_or_a_reject(record: Any) -> None:
    if not isinstance(record, dict):
        return
    try:
        assert entity_of(record).key == f"page:{record['pageid']}"
    except RecordRejectedError as error:
        assert str(error)
