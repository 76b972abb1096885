"""Test collections with judged queries, Cranfield, CISI and NPL, read from their old file formats.

The files are no part of this repository: see `find_collections` for where they are looked for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.build_support import repository_root
from shared.errors import NotFoundError

_SENTENCE_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
_NPL_SEPARATOR = re.compile(r"^\s*/\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """What a query may find; both texts may be empty, as Cranfield's 471 and 995 are."""

    id: str
    title: str
    text: str

    @property
    def whole_text(self) -> str:
        """Title and text, for systems that take a document as one text."""
        return f"{self.title}\n{self.text}".strip()


@dataclass(frozen=True, slots=True)
class Query:
    """A question in the words of the collection."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, the judged queries, and for each of those the ids of its relevant documents."""

    name: str
    documents: Sequence[Document]
    queries: Sequence[Query]
    relevant: Mapping[str, frozenset[str]]


def find_collections(folder: Path | None = None) -> Path:
    """Return the folder that holds `cranfield/`, `cisi/` and `npl/`.

    Without a folder: `shared/data/ir` beside the repository, then `.local/data/ir` in it.

    Raises:
        NotFoundError: there is no such folder.
    """
    root = repository_root()
    places = [folder] if folder else [root.parent / "shared/data/ir", root / ".local/data/ir"]
    for place in places:
        if all((place / name).is_dir() for name in READERS):
            return place
    raise NotFoundError(
        f"there are no test collections in {' or '.join(map(str, places))}: name the folder that "
        f"holds {', '.join(f'{name}/' for name in READERS)} with --data"
    )


def read_collection(name: str, folder: Path) -> Collection:
    """Read the collection `name` from its folder below `folder`."""
    return READERS[name](folder / name)


def read_cranfield(folder: Path) -> Collection:
    """Cranfield: the numbers of the queries have gaps, their judgements go by position.

    Every judged pair counts as relevant, whatever its code: 1 is the best, 4 the least, and -1
    behaves like a strong match.
    """
    queries = [
        Query(str(position), query.text)
        for position, query in enumerate(_smart_queries(folder / "cran.qry"), start=1)
    ]
    pairs = _pairs(folder / "cranqrel")
    return _collection("cranfield", _smart_documents(folder / "cran.all.1400"), queries, pairs)


def read_cisi(folder: Path) -> Collection:
    """CISI: 76 of its 112 queries are judged."""
    documents = _smart_documents(folder / "CISI.ALL")
    queries = _smart_queries(folder / "CISI.QRY")
    return _collection("cisi", documents, queries, _pairs(folder / "CISI.REL"))


def read_npl(folder: Path) -> Collection:
    """NPL: lower case without punctuation; two spaces stand where a sentence ended.

    A title has no mark of its own: it is what stands before the first such gap if that is in the
    first two lines (long titles wrap), and the first line otherwise.
    """
    documents = [_npl_document(*block) for block in _npl_blocks(folder / "doc-text")]
    queries = [Query(id_, _joined(text)) for id_, text in _npl_blocks(folder / "query-text")]
    pairs = [
        (id_, document)
        for id_, text in _npl_blocks(folder / "rlv-ass")
        for document in text.split()
    ]
    return _collection("npl", documents, queries, pairs)


READERS: Mapping[str, Callable[[Path], Collection]] = {
    "cranfield": read_cranfield,
    "cisi": read_cisi,
    "npl": read_npl,
}


def _collection(
    name: str,
    documents: Sequence[Document],
    queries: Sequence[Query],
    pairs: Sequence[tuple[str, str]],
) -> Collection:
    """Keep the judgements of documents that exist, and the queries that have any."""
    known = {document.id for document in documents}
    relevant: dict[str, set[str]] = {}
    for query, document in pairs:
        if document in known:
            relevant.setdefault(query, set()).add(document)
    judged = [query for query in queries if query.id in relevant]
    frozen = {query.id: frozenset(relevant[query.id]) for query in judged}
    return Collection(name, documents, judged, frozen)


def _smart_documents(path: Path) -> list[Document]:
    return [
        Document(id_, _joined(fields.get("T", "")), _joined(fields.get("W", "")))
        for id_, fields in _smart_records(path)
    ]


def _smart_queries(path: Path) -> list[Query]:
    return [
        Query(id_, _joined(f"{fields.get('T', '')} {fields.get('W', '')}"))
        for id_, fields in _smart_records(path)
    ]


def _smart_records(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Records of the SMART format: `.I <number>`, then fields that begin with `.<letter>`."""
    for record in re.split(r"^\.I(?=\s)", _text_of(path), flags=re.MULTILINE)[1:]:
        head, *parts = re.split(r"^\.([A-Z])[ \t]*$", record, flags=re.MULTILINE)
        fields: dict[str, str] = {}
        for letter, text in zip(parts[::2], parts[1::2], strict=True):
            fields[letter] = f"{fields.get(letter, '')}\n{text}".strip()
        yield str(int(head)), fields


def _pairs(path: Path) -> list[tuple[str, str]]:
    """The first two columns of a judgement file: query and document."""
    rows = (line.split() for line in _text_of(path).splitlines())
    return [(str(int(row[0])), str(int(row[1]))) for row in rows if len(row) >= 2]


def _npl_blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Blocks that end with a line holding a slash: a number on a separate line, then text."""
    for block in _NPL_SEPARATOR.split(_text_of(path)):
        number, _, text = block.strip().partition("\n")
        if number:
            yield str(int(number)), text


def _npl_document(id_: str, text: str) -> Document:
    lines = text.splitlines()
    opening = " ".join(lines[:2])
    gap = _SENTENCE_GAP.search(opening)
    title = opening[: gap.start()] if gap else "".join(lines[:1])
    rest = " ".join(lines)[len(title) :]
    return Document(id_, _joined(title), _joined(_SENTENCE_GAP.sub(". ", rest.strip())))


def _joined(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def _text_of(path: Path) -> str:
    """The text of a file of a collection; Latin-1 reads any byte, and these files are ASCII."""
    try:
        return path.read_text(encoding="latin-1")
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is missing: is the collection complete?") from error
