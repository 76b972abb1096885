"""The peers of the search benchmark that know words: what they are asked, and tantivy."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.systems import Dataset, K, RowFilter, bytes_below
from shared.embedding.encoder import Vectors

_WORD = re.compile(r"\w+")
_ANALYZER = "english"
_MEMORY_BYTES = 256 * 1024 * 1024


def plain_words(text: str) -> str:
    """The words of a question, without what is syntax to a query parser."""
    return " ".join(_WORD.findall(text.lower()))


class Tantivy:
    """tantivy, which knows words alone: title and text as two fields, stemmed, no stop words."""

    filters = False
    breadths: Sequence[int] = ()

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("tantivy")
        self._index: Any = None
        self._searcher: Any = None

    def build(self, dataset: Dataset, folder: Path) -> int:
        """Index with one thread."""
        schema = self._library.SchemaBuilder()
        schema.add_integer_field("row", stored=True)
        for field in ("title", "text"):
            schema.add_text_field(field, tokenizer_name=_ANALYZER)
        index = self._library.Index(schema.build(), path=str(folder))
        self._register(index)
        writer = index.writer(_MEMORY_BYTES, 1)
        texts = dataset.texts
        for row in range(len(dataset.vectors)):
            title, text = texts[row % len(texts)]
            writer.add_document(self._library.Document(row=row, title=title, text=text))
        writer.commit()
        writer.wait_merging_threads()
        return bytes_below(folder)

    def open(self, folder: Path, dims: int) -> None:  # noqa: ARG002
        """Open the index."""
        self._index = self._library.Index.open(str(folder))
        self._register(self._index)
        self._searcher = self._index.searcher()

    def search(self, query: Vectors, breadth: int, condition: RowFilter | None) -> list[int]:
        """There are no vectors."""
        raise NotImplementedError

    def search_lexical(self, text: str) -> list[int]:
        """BM25 over both fields, and the row numbers, which are stored."""
        query = self._index.parse_query(plain_words(text), ["title", "text"])
        hits = self._searcher.search(query, K).hits
        return [int(self._searcher.doc(address)["row"][0]) for _, address in hits]

    def _register(self, index: Any) -> None:
        library = self._library
        analyzer = (
            library.TextAnalyzerBuilder(library.Tokenizer.simple())
            .filter(library.Filter.lowercase())
            .filter(library.Filter.stopword("english"))
            .filter(library.Filter.stemmer("english"))
            .build()
        )
        index.register_tokenizer(_ANALYZER, analyzer)
