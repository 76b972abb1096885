import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.models.jobs import PageJob
from shared.models.sources import HttpJsonSource
from shared.sources.http_json.answer import Answer
from shared.sources.http_json.pagers import CountedPager, make_pager
from shared.sources.http_json.step import Step
from shared.web.http_get import HttpResponse

URL = "https://api.example/things"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def source(**paging: Any) -> HttpJsonSource:
    return HttpJsonSource.model_validate({"url": URL, "paging": paging})


def answer(document: Any, status: int = 200, items: str = "items", **headers: str) -> Answer:
    body = json.dumps(document).encode() if status == 200 else b""
    return Answer(HttpResponse(status, headers, body, url=URL), items)


@given(
    at=st.none() | TEXTS,
    since=st.none() | TEXTS,
    goes_on=st.booleans(),
    size=st.none() | st.integers(0, 10**6),
    idle=st.integers(0, 5),
    depth=st.integers(0, 10**5),
)
def test_a_step_survives_its_job(**fields: Any) -> None:
    step = Step(**fields)
    job = PageJob(
        corpus="c", run_id="20261123T060000Z-1a2b3c4d", page_id="p", seq=0, endpoint="records",
        query=step.query,
    )  # fmt: skip
    assert Step.read(PageJob.model_validate_json(job.model_dump_json()).query) == step


@pytest.mark.parametrize(
    "query", [{"page": "3"}, {"idle": "x"}, {"end": "soon"}, {"at": "a" * 4001}]
)
def test_queries_of_another_form_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(SourceError, match="another form"):
        Step.read(query)


@given(st.integers(0, 5000), st.integers(1, 300), st.sampled_from(["offset", "number"]))
def test_planned_pages_cover_every_record_once(total: int, size: int, style: str) -> None:
    pager = make_pager(source(style=style, page_size=size), ())
    assert isinstance(pager, CountedPager)
    steps = pager.steps(total, size, None)
    places = [int(step.at or "") for step in steps]
    starts = places if style == "offset" else [(place - 1) * size for place in places]
    covered = [n for start in starts for n in range(start, min(start + size, total))]
    assert covered == list(range(total))
    assert [step.goes_on for step in steps] == [False] * (len(steps) - 1) + [True] * bool(steps)
    assert len({pager.page_id(step) for step in steps}) == len(steps)


def test_a_total_beyond_reason_is_planned_in_part_and_chained_on() -> None:
    pager = make_pager(source(style="offset", page_size=1), ())
    assert isinstance(pager, CountedPager)
    steps = pager.steps(1_000_000_000, 1, None)
    assert (len(steps), steps[-1].at, steps[-1].goes_on) == (10_000, "9999", True)


@pytest.mark.parametrize(
    ("given_size", "style", "following"),
    [(3, "offset", "3"), (2, "offset", "2"), (0, "offset", None), (3, "number", "2"),
     (1, "number", "2"), (0, "number", None)],
)  # fmt: skip
def test_counted_chains_end_with_an_empty_page_and_not_with_a_short_one(
    given_size: int, style: str, following: str | None
) -> None:
    pager = make_pager(source(style=style, page_size=3), ())
    step = pager.following(pager.first(None), answer({"items": [{}] * given_size}))
    assert (step.at if step else None) == following


def test_the_last_planned_page_leads_on_only_if_it_is_full() -> None:
    pager = make_pager(source(style="offset", page_size=3), ())
    assert isinstance(pager, CountedPager)
    last = pager.steps(5, 3, None)[-1]
    assert pager.following(last, answer({"items": [{}, {}]})) is None
    step = pager.following(last, answer({"items": [{}, {}, {}]}))
    assert step is not None
    assert (step.at, pager.page_id(step)) == ("6", "records-000000003-000000006")
    # Of a second plan with a page there, the chain of the first is not the same page.
    assert pager.page_id(step) != pager.page_id(pager.steps(9, 3, None)[-1])


@pytest.mark.parametrize(
    ("given_size", "is_end"),
    [(3, {404: True, 400: False, 416: False}), (2, {404: True, 400: True, 416: True})],
)
def test_behind_a_short_page_a_refusal_is_the_end(given_size: int, is_end: dict[int, bool]) -> None:
    pager = make_pager(source(style="number", page_size=3), ())
    first = pager.first(None)
    assert not {404, 400} & first.accepted
    step = pager.following(first, answer({"items": [{"n": n} for n in range(given_size)]}))
    assert step is not None
    assert {status: status in step.accepted for status in is_end} == is_end


@pytest.mark.parametrize(
    ("value", "cursor"),
    [("abc", "abc"), (17, "17"), (1.5, "1.5"), (0, "0"), ("", None), (None, None)],
)
def test_cursors(value: Any, cursor: str | None) -> None:
    assert answer({"items": [], "next": value}).cursor("next") == cursor


@pytest.mark.parametrize("value", [True, False, {"a": 1}, ["a"], "x" * 4001])
def test_what_is_no_cursor_is_refused(value: Any) -> None:
    with pytest.raises(SourceError, match="has a cursor") as caught:
        answer({"items": [], "next": value}).cursor("next")
    assert "xxx" not in str(caught.value)


def test_half_a_character_cannot_be_asked_for() -> None:
    half = answer({"items": [], "next": "\ud800"})
    for read in (half.cursor, half.next_target):
        with pytest.raises(SourceError, match="half of a character at 'next'"):
            read("next")


@pytest.mark.parametrize("value", [3, True, ["a"], {"href": "x"}])
def test_a_next_address_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(SourceError, match="that is no text"):
        answer({"items": [], "next": value}).next_target("next")


@pytest.mark.parametrize(("value", "total"), [(0, 0), (12, 12), ("12", 12)])
def test_totals(value: Any, total: int) -> None:
    assert answer({"items": [], "total": value}).total("total") == total


@pytest.mark.parametrize("value", [None, -1, 1.5, "many", True, [3], 10**10, "9" * 30, "٣"])
def test_what_is_no_total_is_refused(value: Any) -> None:
    with pytest.raises(SourceError, match="check `total`"):
        answer({"items": [], "total": value}).total("total")


def test_an_answer_without_content_has_no_records() -> None:
    empty = answer(None, status=204)
    assert (empty.lines, empty.total("total")) == ((), 0)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>", "the answer of api.example/things is no JSON"),
        (b"\xff", "is no JSON"),
        (b'{"items": NaN}', "is no JSON"),
        (b'{"data": []}', "has nothing at 'items', where records were expected; check `items`"),
        (b'{"items": 3}', "neither a list nor an object at 'items'"),
    ],
)
def test_answers_of_another_form_are_refused(body: bytes, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        Answer(HttpResponse(200, {}, body, url=f"{URL}?token=hidden"), "items")


def test_a_byte_order_mark_is_no_part_of_the_answer() -> None:
    body = b'\xef\xbb\xbf{"items": [{"a": 1.10}]}'
    assert Answer(HttpResponse(200, {}, body, url=URL), "items").lines == ('{"a": 1.10}',)


@pytest.mark.parametrize(("etag", "kept"), [('W/"a"', 'W/"a"'), ("", None), ("é", None),
                                            ("a" * 201, None), ("a\nb", None)])  # fmt: skip
def test_etags_that_can_be_sent_back(etag: str, kept: str | None) -> None:
    assert answer({"items": []}, etag=etag).etag == kept


def chain(pager_source: HttpJsonSource, pages: list[Any]) -> Step:
    pager = make_pager(pager_source, ())
    step: Step | None = pager.first(None)
    for page in pages:
        assert step is not None
        step = pager.following(step, answer(page))
    assert step is not None
    return step


def test_a_source_that_repeats_itself_is_not_followed_for_ever() -> None:
    same = {"items": [{"id": 1}]}
    with pytest.raises(SourceError, match="nothing new in 6 pages in a row"):
        chain(source(style="number"), [same] * 10)
    with pytest.raises(SourceError, match="nothing new"):
        chain(
            source(style="cursor", next_cursor="next"),
            [{"items": [{"id": 1}] * (n % 2), "next": n} for n in range(20)],
        )


def test_many_empty_pages_are_read_on_but_not_for_ever() -> None:
    settings = source(style="cursor", next_cursor="next")
    pages = [{"items": [], "next": n} for n in range(1001)]
    assert chain(settings, pages[:1000]).idle == 1000
    with pytest.raises(SourceError, match="nothing new in 1001 pages"):
        chain(settings, pages)


def test_pages_that_differ_are_no_repetition() -> None:
    step = chain(source(style="number"), [{"items": [{"id": n}]} for n in range(50)])
    assert (step.idle, step.depth, step.at) == (0, 50, "51")


def test_chains_have_an_end() -> None:
    step = Step(at="1", goes_on=True, depth=100_000)
    with pytest.raises(SourceError, match="still names a next page after 100,000"):
        step.following("2", "records-1", ["{}"])


@pytest.mark.parametrize("style", [{"style": "link"}, {"style": "next_url", "next_url": "next"}])
def test_a_page_of_the_source_that_the_corpus_had_before_is_refused(style: dict[str, str]) -> None:
    pager = make_pager(source(**style), ())
    assert pager.address(Step(at=f"{URL}?page=2")) == f"{URL}?page=2"
    with pytest.raises(SourceError, match=r"elsewhere, at old\.example/things"):
        pager.address(Step(at="https://old.example/things?page=2"))


def test_page_ids_follow_from_what_is_asked_for() -> None:
    cursor = make_pager(source(style="cursor", next_cursor="next"), ())
    assert cursor.page_id(Step(at="a", depth=3)) == cursor.page_id(Step(at="a", digest="x"))
    assert cursor.page_id(Step(at="a")) != cursor.page_id(Step(at="b"))
    link = make_pager(source(style="link"), ())
    back = Step(at=f"{URL}?")
    assert link.page_id(link.first(None)) == link.page_id(back)


@pytest.mark.parametrize("at", [None, "x", "-1", "1.5", "٣"])
def test_places_that_are_no_numbers_are_refused(at: str | None) -> None:
    with pytest.raises(SourceError, match="no whole number"):
        make_pager(source(style="offset"), ()).address(Step(at=at))
