"""How the fuzzer makes inputs: changes of our files, and of values of JSON documents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.json_mutation import mutated
from tests.fuzz.target import change, changed

PARTS = {"a": b"0123456789", "b": b""}
DOCUMENT = b'first line\n{"id": [1, {"b": "c"}], "name": null}'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (b"", b"0123456789"),
        (change(0, 0, 1, ord("x")), b"0x23456789"),
        (change(0, 1, 0, 0x41424344), b"DCBA456789"),
        (change(0, 2, 0, 2**32 - 1), b"\xff" * 8 + b"89"),
        (change(0, 3, 4, 0), b"0123"),
        (change(0, 4, 10, 0x41414141), b"0123456789AAAA"),
        (change(0, 3, 4, 0) + change(0, 3, 2, 0) + b"cut", b"01"),
    ],
)
def test_a_change_says_how_and_where(changes: bytes, expected: bytes) -> None:
    assert changed(PARTS, changes) == {"a": expected, "b": b""}


@given(st.binary(max_size=64))
def test_any_bytes_are_changes_of_any_files(changes: bytes) -> None:
    assert changed(PARTS, changes).keys() == PARTS.keys()


@given(st.integers(0, 2**32))
def test_a_mutated_document_is_one_and_what_stands_before_it_stays(seed: int) -> None:
    found = mutated(DOCUMENT, seed)
    assert found is not None
    assert found == mutated(DOCUMENT, seed)
    line, _, rest = found.partition(b"\n")
    assert line == b"first line"
    json.loads(rest)


def test_seeds_make_different_documents() -> None:
    assert len({mutated(DOCUMENT, seed) for seed in range(100)}) > 50


@pytest.mark.parametrize("data", [b"", b"text", b"{", b"[1,]", b"[" * 5000, b"{}\nno"])
def test_what_is_no_document_is_left_to_others(data: bytes) -> None:
    assert mutated(data, 1) is None
