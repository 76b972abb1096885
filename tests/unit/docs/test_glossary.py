"""The glossary is alphabetical, and each term has one sentence."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[3] / "docs"
ROWS = re.findall(
    r"^\| (?!term |---)(.+?) \| (.+) \|$",
    (DOCS / "glossary.md").read_text(encoding="utf-8"),
    re.M,
)


def test_the_terms_are_in_the_order_of_the_alphabet() -> None:
    terms = [term.strip("`").replace("-", " ").lower() for term, _ in ROWS]
    assert terms == sorted(set(terms))


def test_each_term_has_one_sentence() -> None:
    wrong = [term for term, text in ROWS if not re.fullmatch(r"[A-Z][^.]*(\.[a-z]+[^.]*)*\.", text)]
    assert wrong == []


def test_the_index_of_the_documents_leads_to_it() -> None:
    assert "(glossary.md)" in (DOCS / "index.md").read_text(encoding="utf-8")
