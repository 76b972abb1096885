"""Which words a text is found by, and which a query asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.index.shard.tokenizer import MAXIMUM_WORDS, TOKENIZER, Tokenizer, query_terms
from shared.text.folding import folded


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("the \ufb01nance department", "finance"),  # a ligature of a PDF
        ("\uff21\uff22\uff23 holdings", "abc"),  # full-width letters
        ("Stra\u00dfe", "strasse"),
        ("STRASSE", "Stra\u00dfe"),
        ("co\u00adoperate", "cooperate"),  # a soft hyphen
        ("data\u200bbase", "database"),  # a zero-width space inside a word
        ("\ufeffheader", "header"),
        ("caf\u00e9", "cafe\u0301"),
        ("Mj\u00f6lnir", "mjolnir"),
        ("\u0130stanbul", "istanbul"),
        ("x\u00b2", "x2"),
        ("\u2163", "iv"),
        ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"),  # Greek with a final sigma
        ("\u0645\u0640\u062f\u064a\u0646\u0629", "\u0645\u0640\u062f\u064a\u0646\u0629"),
    ],
)
def test_texts_that_readers_take_for_the_same_are_the_same(written: str, asked: str) -> None:
    assert set(query_terms(asked)) <= set(TOKENIZER.words(written))


# Each text, a word inside a run of its letters, and one that is not there.
UNSPACED = [
    ("東京都に住んでいます", "東京", "京都市"),
    ("私は新しい図書館へ行きました", "図書館", "美術館"),
    ("スーパーマーケットで買い物", "マーケット", "レストラン"),
    ("コンピュータ科学の基礎", "科学", "化学"),
    ("黒猫が走った", "猫", "犬"),
    ("機械学習の研究を続ける", "機械学習", "深層学習"),
    ("我们在北京大学学习", "北京大学", "清华大学"),
    ("人工智能正在改变世界", "人工智能", "自然语言"),
    ("上海的天气很好", "天气", "空气"),
    ("中华人民共和国成立", "共和国", "联合国"),
    ("他喜欢喝绿茶", "绿茶", "红茶"),
    ("这本书很有意思", "书", "茶"),
    ("대한민국의 수도는 서울이다", "서울", "부산"),
    ("인공지능연구소에서 일한다", "연구소", "도서관"),
    ("한국어형태소분석", "형태소", "음운론"),
    ("학교에 갑니다", "학교", "병원"),
    ("ฉันชอบกินข้าวผัดกุ้ง", "ข้าวผัด", "ก๋วยเตี๋ยว"),
    ("ประเทศไทยมีเมืองหลวงคือกรุงเทพ", "เมืองหลวง", "ทะเลทราย"),
    ("โรงเรียนอยู่ใกล้บ้าน", "โรงเรียน", "โรงพยาบาล"),
    ("ພາສາລາວເປັນພາສາລາຊະການ", "ພາສາລາວ", "ພາສາໄທ"),
    ("ភាសាខ្មែរជាភាសាផ្លូវការ", "ភាសាខ្មែរ", "ភាសាថៃ"),
    ("Tokyo東京Station", "東京", "大阪"),
]


@pytest.mark.parametrize(("text", "word", "other"), UNSPACED)
def test_a_word_inside_a_run_of_letters_is_found(text: str, word: str, other: str) -> None:
    words = set(TOKENIZER.words(text))
    assert set(query_terms(word)) <= words
    assert not set(query_terms(other)) <= words


def test_half_width_letters_are_those_of_full_width() -> None:
    assert set(query_terms("ﾏｰｹｯﾄ")) <= set(TOKENIZER.words("スーパーマーケット"))


def test_a_query_asks_for_pairs_and_only_a_lone_letter_for_itself() -> None:
    assert query_terms("機械学習") == ("機械", "械学", "学習")
    assert query_terms("猫") == ("猫",)
    assert query_terms("ultron 東京") == ("ultron", "東京")


def test_function_words_are_left_out_of_a_query_that_has_others() -> None:
    assert query_terms("What is the origin of Ultron?") == ("origin", "ultron")
    assert query_terms("The Who") == tuple(TOKENIZER.words("the who"))
    assert query_terms("red red blue") == ("red", "red", "blue")
    assert query_terms("?! ... —") == ()


def test_a_long_run_has_a_bounded_number_of_words() -> None:
    run = "".join(chr(0x4E00 + number) for number in range(1000))
    assert len(query_terms(run)) == MAXIMUM_WORDS


@given(st.text(max_size=200))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    once = folded(text)
    assert folded(once) == once


@given(st.text(max_size=200))
def test_a_text_is_found_by_itself(text: str) -> None:
    assert set(query_terms(text)) <= set(TOKENIZER.words(text))


@given(st.one_of(st.text(max_size=60), st.text(st.characters(max_codepoint=127), max_size=60)))
def test_remembered_words_are_those_of_sqlite(text: str) -> None:
    tokenizer = Tokenizer()
    for _ in range(2):
        words, query_words = tokenizer.words_and_query_words(text)
        assert words == TOKENIZER.words(text)
        assert query_words == TOKENIZER.query_words(text)


def test_stems_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.index.shard.tokenizer._MOST_STEMS", 2)
    tokenizer = Tokenizer()
    assert tokenizer.words_and_query_words("flying cars running")[0] == ["fly", "car", "run"]
    assert len(tokenizer._stems) <= 2
