"""CSV: each row is a record of texts, or a line that says why it is none."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.page import derive_page
from shared.canonical.records import (
    CanonicalRecord,
    Record,
    RecordContext,
    RecordRejectedError,
)
from shared.errors import SourceError
from shared.sources.objects.csv_rows import csv_lines

DELIMITERS = [",", ";", "\t", "|"]
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def rows(text: str, delimiter: str = ",") -> list[object]:
    return [json.loads(line) for line in csv_lines(text, delimiter)]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("", []),
        ("\n\n", []),
        ("id,title\n", []),
        ("id,title", []),
        ("\nid,title\n1,a\n\n2,b", [{"id": "1", "title": "a"}, {"id": "2", "title": "b"}]),
        (" id , title \r\n 1, a", [{"id": " 1", "title": " a"}]),
        ('id,title\n1,"a\nb, c"\n2,', [{"id": "1", "title": "a\nb, c"}, {"id": "2", "title": ""}]),
        ("id\n0012\n1.50\nnull", [{"id": "0012"}, {"id": "1.50"}, {"id": "null"}]),
        (f"id\n{'x' * 200_000}", [{"id": "x" * 200_000}]),
    ],
)
def test_rows_are_objects_of_texts(text: str, records: list[object]) -> None:
    assert rows(text) == records


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,,title\n1,2,3", "column 2 has no name"),
        ("id,title,  \n1,2,3", "column 3 has no name"),
        ("id,title,id\n1,2,3", "several columns are named 'id'"),
        ('id,title\n1,"open', "line 2 is no CSV: unexpected end of data"),
        ('id,title\n1,"a"b\n', "line 2 is no CSV"),
        ('"id', "line 1 is no CSV"),
    ],
)
def test_what_cannot_be_read_says_where(text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        list(csv_lines(text, ","))


def test_a_row_that_does_not_fit_is_rejected_by_itself_and_says_why() -> None:
    def canonicalise(record: Record, context: RecordContext) -> CanonicalRecord:
        raise RecordRejectedError("taken")

    text = 'id,title\n1\n"1\n2",é,3\n1,2'
    page = derive_page(
        csv_lines(text, ","),
        canonicalise,
        RecordContext("records", "20261123T060000Z-1a2b3c4d"),
    )
    few, many, fitting = page.rejects
    assert few.reason == (
        "the line is no JSON object, but the text: the row that ends in line 2 has 1 cells, "
        'and the first row names 2 columns: ["1"]'
    )
    assert "line 4 has 3 cells" in many.reason
    assert '["1\\n2", "é", "3"]' in many.reason
    assert fitting.reason == "taken"


def test_a_row_that_does_not_fit_is_shown_in_part() -> None:
    (line,) = csv_lines(f"id\n{'x' * 100_000},1", ",")
    assert len(line) < 1200


@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6),
    st.sampled_from(DELIMITERS),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_row_that_was_written_is_read(
    table: list[list[str]], delimiter: str, line_end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b"], *table])
    found = rows(text.getvalue(), delimiter)
    assert len(found) == len(table)
    for row, record in zip(table, found, strict=True):
        if len(row) == 2:
            assert record == {"a": row[0], "b": row[1]}
        else:
            assert isinstance(record, str)
            assert f"{len(row)} cells" in record


@given(st.text(), st.sampled_from(DELIMITERS))
def test_any_text_is_rows_or_a_source_error(text: str, delimiter: str) -> None:
    try:
        lines = list(csv_lines(text, delimiter))
    except SourceError:
        return
    assert not any("\n" in line or "\r" in line for line in lines)
