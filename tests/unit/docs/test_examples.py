"""The examples of the documents are accepted by the code that reads such a document."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from services.orchestrator.chat import read_request
from shared.corpora.documents import parse_corpus
from shared.models.sources import AnySource

SOURCES = Path(__file__).resolve().parents[3] / "docs/reference/sources.md"
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", SOURCES.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_corpus(example: str) -> None:
    corpus = parse_corpus(example, "docs/reference/sources.md")
    assert corpus.name


def test_there_is_an_example_of_every_kind() -> None:
    kinds = {json.loads(example)["source"]["kind"] for example in EXAMPLES}
    assert kinds == {kind.model_fields["kind"].default for kind in get_args(AnySource)}


def test_the_body_on_the_page_of_the_chat_is_accepted() -> None:
    page = (SOURCES.parent / "chat.md").read_text(encoding="utf-8")
    body, _answer = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)
    request = read_request(body)
    assert set(json.loads(body)) == set(type(request).model_fields)
