"""Which form a corpus has, and that the forms of others cost it nothing."""

import subprocess
import sys
from typing import Any

import pytest

from shared.canonical.records import RecordContext
from shared.models.corpus import Corpus
from shared.sources.canonicalisers import canonicaliser

CONTEXT = RecordContext("pages", "20261123T060000Z-1a2b3c4d")
HTML = "<html><head><title>T</title></head><body><p>A text of some words.</p></body></html>"


@pytest.mark.parametrize(
    ("source", "record", "key"),
    [
        (
            {"kind": "mediawiki", "api_url": "https://wiki.example/api.php", "entity_type": "hero"},
            {"pageid": 7, "title": "T", "extract": "x"},
            "hero:7",
        ),
        (
            {
                "kind": "sitemap",
                "sitemap_url": "https://site.example/sitemap.xml",
                "entity_type": "article",
            },
            {"url": "https://site.example/a", "html": HTML},
            "article:/a",
        ),
    ],
)
def test_the_corpus_says_what_its_entities_are(
    source: dict[str, Any], record: dict[str, Any], key: str
) -> None:
    corpus = Corpus.model_validate({"name": "c", "source": source})
    assert canonicaliser(corpus)(record, CONTEXT).entity.key == key


def test_parsers_of_markup_are_imported_where_they_are_needed() -> None:
    code = (
        "import sys, shared.sources.canonicalisers; "
        "print(sorted({'trafilatura', 'lxml', 'mwparserfromhell'} & set(sys.modules)))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"
