"""Texts that others wrote: cut to passages, split to words, searched for sentences, printed."""

from datetime import datetime

from services.cli.tables import shortened
from services.orchestrator.analysis import Turn, analyse
from services.orchestrator.generator import Passage
from services.orchestrator.quotation.extractive import ExtractiveGenerator
from services.orchestrator.quotation.words import content_stems, names_in_prose
from shared.canonical.dates import normalise_date
from shared.index.catalog.filters import parse_moment, parse_number, to_microseconds
from shared.index.shard.lexical import SearchedRow, build_tables
from shared.index.shard.tokenizer import query_terms
from shared.models.corpus import ChunkingSettings
from shared.platform.printing import columns, fitted, printable, printable_lines
from shared.text.chunking import split_passages
from shared.text.html import collapse, html_to_text
from shared.text.marks import LONGEST_RUN, bounded_marks
from shared.text.sentences import split_sentences
from shared.web.redaction import redact
from tests.fuzz.target import Target, text_of

SHORT = ChunkingSettings(target_characters=80, overlap_characters=40)
CONTROLS = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028]))


def chunking(data: bytes) -> None:
    text = text_of(data)
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    passages = list(split_passages(text, SHORT))
    assert all(0 < len(passage) <= 80 + 41 for passage, _ in passages)
    assert bool(passages) == bool(text.strip())


def html_text(data: bytes) -> None:
    plain = html_to_text(text_of(data))
    assert collapse(plain) == plain
    plain.encode()


def date(data: bytes) -> None:
    text = text_of(data)
    normal = normalise_date(text)
    if normal is not None:
        datetime.fromisoformat(normal)
        assert normalise_date(normal) == normal
    moment = parse_moment(text)
    if moment is not None:
        to_microseconds(moment)
    parse_number(text)


def printing(data: bytes) -> None:
    """Of lone surrogates too, which names of files and JSON can hold."""
    text = data.decode("utf-8", "surrogateescape")
    line = printable(text)
    assert not CONTROLS & set(line)
    assert printable(line) == line
    assert columns(fitted(line, 20)) <= 20
    assert printable_lines(text).count("\n") == text.count("\n")
    shortened(line, 10)
    assert "a-secret" not in redact(text, ["a-secret"])


def words(data: bytes) -> None:
    text = text_of(data)
    found = query_terms(text)
    tables = build_tables([SearchedRow("t:1", text, text[::-1]), SearchedRow("t:2", text, text)])
    assert set(found) <= set(tables.titles)
    bounded = bounded_marks(text)
    assert bounded_marks(bounded) == bounded
    assert len(bounded) <= len(text) or LONGEST_RUN == 0


def question(data: bytes) -> None:
    """A turn behind another one, and the answer out of a passage; any text is accepted."""
    message, _, passage = text_of(data).partition("\n")
    turn = Turn(message=message, query=message, answer=passage, titles=[passage[:50]])
    analysis = analyse(message, [turn])
    given = [Passage(chunk_id="a-001", title=passage[:50], url=None, text=passage, score=1.0)]
    draft = ExtractiveGenerator().generate(message, given)
    for quotation in draft.quotations:
        assert quotation.text in passage
    names_in_prose(passage)
    content_stems(message)
    assert analysis


TARGETS = {
    "chunking": Target(chunking),
    "date": Target(date, maximum_bytes=80),
    "html_text": Target(html_text),
    "printing": Target(printing),
    "question": Target(question),
    "words": Target(words),
}
