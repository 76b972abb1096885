"""A person never reads a pattern: each one has words that say what matches it."""

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from services.orchestrator.chat import read_request
from services.retrieve.parsing import parse_query_string
from shared.errors import InvalidInputError
from shared.models.base import CorpusName
from shared.models.forms import field_problems, form_words

ROOT = Path(__file__).resolve().parents[3]
# Of what the project itself writes: no person does, so no words are needed.
WRITTEN_BY_OURSELVES = {"manifest.py"}


def test_each_pattern_that_a_person_can_miss_has_words() -> None:
    folders = ("shared/models", "services/orchestrator", "services/retrieve", "services/ingest")
    bare = [
        path.name
        for folder in folders
        for path in (ROOT / folder).glob("*.py")
        if re.search(r'pattern=r?"', path.read_text(encoding="utf-8"))
    ]
    assert set(bare) == WRITTEN_BY_OURSELVES


def test_the_words_take_the_place_of_the_pattern() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(CorpusName).validate_python("Marvel")
    assert field_problems(caught.value, "corpus") == (
        "corpus: must be 1 to 63 lower-case letters, digits and hyphens, such as marvel-comics"
    )


def test_a_pattern_without_words_is_not_shown_either() -> None:
    assert form_words("^x$") == "has a form that is not allowed"


def test_the_api_shows_no_pattern() -> None:
    with pytest.raises(InvalidInputError) as chat:
        read_request('{"message": "x", "session_id": "…"}')
    assert "session_id: must be 8 to 64 letters, digits, hyphens and underscores" in str(chat.value)
    with pytest.raises(InvalidInputError) as retrieve:
        parse_query_string({"q": ["x"], "corpus": ["Marvel"]})
    assert "corpus: must be 1 to 63 lower-case" in str(retrieve.value)
    assert "^" not in f"{chat.value} {retrieve.value}"
