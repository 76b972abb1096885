"""What stands for a word that the index does not know, of what the shards offer."""

from collections.abc import Mapping

import pytest

from shared.index.search.correction import QueryWords, held_back, unknown_terms
from shared.index.shard.lexical import TermStatistics
from shared.index.shard.suggestions import (
    NearWord,
    Suggestions,
    Unknown,
    combine_suggestions,
)


def corrected(
    query: str,
    unknown: str,
    *,
    near: tuple[NearWord, ...] = (),
    splits: Mapping[str, int] | None = None,
    joined: Mapping[str, int] | None = None,
) -> Mapping[str, str]:
    offered = Suggestions({unknown: near}, {unknown: splits or {}}, joined or {})
    found = QueryWords(query, {unknown}).corrected(offered)
    return {} if found is None else found.replaced


def near(written: str, distance: int = 1, rows: int = 1) -> NearWord:
    return NearWord(written, written, distance, distance, rows)


def test_a_word_is_split_before_it_is_edited() -> None:
    found = corrected(
        "warmachin", "warmachin", near=(near("warmachine"),), splits={"war machin": 2}
    )
    assert found == {"warmachin": "war machin"}


def test_a_short_part_may_be_chance_so_a_near_word_comes_first() -> None:
    splits = {"ul ton": 9}
    assert corrected("ulton", "ulton", near=(near("ultron"),), splits=splits) == {"ulton": "ultron"}
    assert corrected("ulton", "ulton", near=(near("elton"),), splits=splits) == {"ulton": "ul ton"}
    far = (near("ultrones", 2),)
    assert corrected("ulton", "ulton", near=far, splits=splits) == {"ulton": "ul ton"}


def test_of_near_words_the_distance_the_first_letter_and_the_frequency_decide() -> None:
    offered = (near("bltron", rows=90), near("ultros", rows=2), near("ultron", rows=5))
    assert corrected("ultron", "ultrom", near=offered) == {}
    assert corrected("ultrom", "ultrom", near=offered) == {"ultrom": "ultron"}
    assert corrected("ultrom", "ultrom", near=(*offered[:1], near("ulrtos", 2, 99))) == {
        "ultrom": "bltron"
    }
    assert corrected("ultrom", "ultrom", near=(near("ultrob"), near("ultroa"))) == {
        "ultrom": "ultroa"
    }


def test_of_equal_stems_the_word_as_it_is_written_decides_before_its_frequency() -> None:
    offered = (NearWord("warlik", "warlike", 2, 1, 90), NearWord("warlock", "warlock", 1, 1, 2))
    assert corrected("warlok", "warlok", near=offered) == {"warlok": "warlock"}


def test_of_splits_the_most_frequent_one_is_taken() -> None:
    splits = {"star slord": 1, "stars lord": 4}
    assert corrected("starslord", "starslord", splits=splits) == {"starslord": "stars lord"}


@pytest.mark.parametrize(
    ("query", "joined", "expected"),
    [
        ("dare devil", {"daredevil": 1}, {"dare devil": "daredevil"}),
        ("the devil dare", {"devildare": 1}, {"devil dare": "devildare"}),
        ("un dare devil", {"undare": 1, "daredevil": 2}, {"dare devil": "daredevil"}),
        ("un dare devil", {"undare": 2, "daredevil": 2}, {"un dare": "undare"}),
        ("dare dare devil", {"daredare": 1, "daredevil": 1}, {"dare dare": "daredare"}),
    ],
)
def test_a_word_is_joined_with_a_neighbour_before_it_is_split(
    query: str, joined: Mapping[str, int], expected: Mapping[str, str]
) -> None:
    found = corrected(query, "dare", near=(near("dark"),), splits={"dar eee": 9}, joined=joined)
    assert dict(list(found.items())[:1]) == expected


def test_digits_are_cut_off_before_anything_else() -> None:
    found = corrected("the x23", "x23", splits={"x 23": 1}, joined={"thex23": 9})
    assert found == {"x23": "x 23"}


def test_the_other_words_stay_as_they_are_in_their_order() -> None:
    words = QueryWords("Who made ÚLTON run? 東京", {"ulton"})
    found = words.corrected(Suggestions({"ulton": (near("ultron"),)}, {}, {}))
    assert found is not None
    assert found.text == "who made ultron run 東京"
    assert found.terms == ("made", "ultron", "run", "東京", "=who made ultron run 東 京 東京")


def test_joins_are_asked_for_with_each_neighbour_of_an_unknown_word() -> None:
    words = QueryWords("who is the dare devil now", {"dare"})
    assert words.unknown() == Unknown(("dare",), ("thedare", "daredevil"))


def test_so_many_words_are_replaced_and_no_more() -> None:
    query = " ".join(f"zz{chr(97 + n % 26)}{chr(97 + n // 26)}q" for n in range(300))
    unknown = QueryWords(query, set(query.split())).unknown()
    assert len(unknown.words) == 16
    assert len(unknown.joined) <= 32


def test_function_words_and_whole_queries_are_never_unknown() -> None:
    assert unknown_terms(["the", "ulton", "iron", "=the ulton iron"], {"iron": 3}) == {"ulton"}
    assert unknown_terms(["iron"], {"iron": 0}) == {"iron"}
    assert unknown_terms(["ulton", "=ulton"], {"=ulton": 1}) == set()


def test_what_shards_offer_is_added_up() -> None:
    one = Suggestions(
        {"avangers": (NearWord("aveng", "avenging", 3, 1, 3),)}, {"xmen": {"x men": 1}}, {"x23": 1}
    )
    other = Suggestions(
        {"avangers": (NearWord("aveng", "avengers", 1, 1, 4), NearWord("avant", "avant", 2, 2, 1))},
        {"xmen": {"x men": 2, "xm en": 1}},
        {},
    )
    expected = Suggestions(
        {"avangers": (NearWord("aveng", "avengers", 1, 1, 7), NearWord("avant", "avant", 2, 2, 1))},
        {"xmen": {"x men": 3, "xm en": 1}},
        {"x23": 1},
    )
    assert combine_suggestions([one, other]) == expected


@pytest.mark.parametrize(
    ("given", "searched", "expected"),
    [
        (["who", "ulton", "old"], ["who", "ultron", "old"], {"who": 9, "ultron": 4, "old": 4}),
        (["ulton", "=ulton"], ["ultron", "=ultron"], {"ultron": 1, "=ultron": 1}),
        (["old", "robit"], ["old", "robot"], {"old": 4, "robot": 7}),
        (["old", "ulton", "ultron"], ["old", "ultron", "ultron"], {"old": 4, "ultron": 1}),
        (["new", "ulton"], ["new", "ultron"], {"ultron": 1}),
        (["old", "ulton"], ["old", "ultron", "=old ultron"], {"ultron": 4, "=old ultron": 1}),
    ],
)
def test_what_stands_for_a_word_is_taken_for_no_rarer_than_the_known_words(
    given: list[str], searched: list[str], expected: Mapping[str, int]
) -> None:
    units_with = {"who": 9, "old": 4, "robot": 7, "ultron": 1, "=ultron": 1, "=old ultron": 1}
    found = held_back(TermStatistics(10, 10, 99, 9, units_with), given, searched)
    assert {term: found.units_with[term] for term in expected} == expected
