"""Every function over foreign text, as something that takes one text, and texts that are bad.

A new function over what a source, a page or a user wrote belongs here.
"""

import gzip
import json
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any

from services.cli.tables import shortened
from services.orchestrator.analysis import Turn, analyse
from services.orchestrator.generator import Passage
from services.orchestrator.quotation.candidates import split_candidates
from services.orchestrator.quotation.extractive import ExtractiveGenerator
from services.orchestrator.quotation.question import read_question
from services.orchestrator.quotation.words import (
    content_stems,
    names_in_prose,
    proper_names,
    tokenise,
)
from services.retrieve.parsing import parse_query_string
from shared.canonical.dates import normalise_date
from shared.canonical.links import web_addresses
from shared.canonical.mapped_records import canonicalise_mapped
from shared.canonical.page import derive_page
from shared.canonical.raw_json import load_json
from shared.canonical.records import Canonicaliser, RecordContext
from shared.index.catalog.filters import parse_number
from shared.index.shard.lexical import SearchedRow, build_tables
from shared.index.shard.tokenizer import query_terms
from shared.models.corpus import ChunkingSettings
from shared.models.entity import Entity
from shared.models.expressions import evaluate
from shared.models.mapping import FieldMapping
from shared.sources.http_json.links import comparable, next_address, next_link
from shared.sources.json_document import JsonDocument
from shared.sources.marvel.entities import canonicalise_marvel
from shared.sources.marvel.type_fields import snake_case
from shared.sources.marvel.wrapper import parse_error, parse_page
from shared.sources.mediawiki.api import WikiAnswer
from shared.sources.mediawiki.entities import canonicalise_wiki_page
from shared.sources.objects.csv_rows import csv_lines
from shared.sources.objects.json_lines import ByteRange, range_lines, split_lines
from shared.sources.objects.listing import page_id
from shared.sources.sitemap.addresses import ending_of_no_page, is_below, normal_address
from shared.sources.sitemap.documents import read_sitemap
from shared.sources.sitemap.entities import canonicalise_web_page
from shared.sources.sitemap.robots import Robots
from shared.sources.sitemap.web_page import page_line
from shared.sources.sitemap.web_text import is_refused
from shared.storage.jsonl import decode_lines, encode_lines
from shared.text.chunking import chunk_entity
from shared.text.html import collapse, html_to_text
from shared.text.marks import normalised
from shared.text.sentences import split_sentences
from shared.web.http_get import HttpResponse, gunzip
from shared.web.redaction import redact
from shared.web.redirects import host_path

MAPPING = FieldMapping(
    title="title", text="text", url="url", modified="date", type="type", entity_type="thing",
    metadata={"tags": "tags[].name", "all": "join(', ', tags[].name)"},
)  # fmt: skip


def _derived(canonicalise: Canonicaliser, record: Any, endpoint: str = "comics") -> None:
    lines = [record if isinstance(record, str) else json.dumps(record)]
    derive_page(lines, canonicalise, RecordContext(endpoint, "20261123T060000Z-1a2b3c4d"))


_mapped = partial(_derived, partial(canonicalise_mapped, MAPPING, "jsonl"))
_wiki = partial(_derived, partial(canonicalise_wiki_page, "article"))


def _web(html: str) -> None:
    record = {"url": "https://a.example/x", "html": html}
    _derived(partial(canonicalise_web_page, "page"), record)


def _chunks(text: str) -> None:
    entity = Entity(
        entity_type="thing", source="s", source_id="1", title="A", description=text,
        ingest_run_id="20261123T060000Z-1a2b3c4d", record_checksum="0" * 64,
    )  # fmt: skip
    chunk_entity(entity, "raw/x", ChunkingSettings())


def _wiki_content(text: str) -> None:
    slots = {"main": {"content": text, "contentmodel": "wikitext"}}
    _wiki({"pageid": 1, "title": text, "revisions": [{"slots": slots, "timestamp": text}]})


def _marvel(text: str) -> None:
    reference = {"resourceURI": f"/{text}/1", "name": text}
    _derived(
        canonicalise_marvel,
        {
            "id": 1, "title": text, "description": text, "modified": text,
            "urls": [{"type": "x", "url": f"http://{text}"}],
            "dates": [{"type": text, "date": text}], "prices": [{"type": text, "price": 1}],
            "characters": {"available": 1, "items": [reference]}, "series": reference,
        },
    )  # fmt: skip


def _passages(text: str) -> list[Passage]:
    return [Passage(chunk_id="a-001", title=text, text=text, url=None, score=1.0)]


def _turn(text: str) -> Turn:
    return Turn(message=text, query=text, answer=text, titles=[text])


def _ranges(text: str) -> None:
    data = text.encode(errors="replace")
    size = len(data)
    for part in (ByteRange(0, size // 2, size), ByteRange(size // 2, size, size)):
        range_lines(part, lambda offset, length: data[offset : offset + length])


def _sitemap(template: str, text: str) -> None:
    read_sitemap(template.replace("TEXT", text).encode(errors="replace"), "a.example/sitemap.xml")


def _page_line(text: str) -> None:
    headers = {"content-type": "text/html", "last-modified": text, "x-robots-tag": text}
    page_line("https://a.example/", None, HttpResponse(200, headers, text.encode(errors="replace")))


def _json_value(text: str) -> str:
    return json.dumps({"data": {"total": 1, "results": [{"a": text}]}, "continue": {"x": text}})


def _next(target: str) -> None:
    next_address("http://a/", target, "http://a/", "key", ["s" * 9])


_URLSET = "<urlset><url>TEXT</url></urlset>"
_HEAD = "<html><head>TEXT</head><body><p>It says a thing.</p></body></html>"
_LINKED = '<script type="application/ld+json">{"@type":"Article","author":{"name":"TEXT"}}</script>'
_DAMAGED = '<script type="application/ld+json">{"@type":"Article","author":{"name":"TEXT"}</script>'
_BODY = "<html><body><article>TEXT</article></body></html>"


FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "sentences": split_sentences,
    "chunks": _chunks,
    "html": html_to_text,
    "collapse": collapse,
    "normalised": partial(normalised, "NFKD"),
    "mapped texts": lambda t: _mapped({"id": "1", "title": t, "text": t, "date": t, "type": t}),
    "mapped address": lambda t: _mapped({"id": t, "title": "a", "url": [f"http://{t}/", t]}),
    "mapped list": lambda t: _mapped({"id": 1, "text": "a", "tags": [{"name": c} for c in t]}),
    "mapped line": _mapped,
    "mapped nested line": lambda t: _mapped(f'{{"id": 1, "text": {t}}}'),
    "wiki text": _wiki_content,
    "wiki extract": lambda t: _wiki({"pageid": 1, "title": "a", "extract": t}),
    "web page": _web,
    "web paragraph": lambda t: _web(_BODY.replace("TEXT", f"<h1>{t}</h1><p>{t}</p>")),
    "web title": lambda t: _web(_HEAD.replace("TEXT", f"<title>{t}</title>")),
    "web author": lambda t: _web(_HEAD.replace("TEXT", f'<meta name="author" content="{t}">')),
    "web date": lambda t: _web(_BODY.replace("TEXT", f'<time datetime="{t}">{t}</time><p>a</p>')),
    "web link": lambda t: _web(_HEAD.replace("TEXT", f'<link rel="canonical" href="http://{t}">')),
    "web linked data": lambda t: _web(_HEAD.replace("TEXT", _LINKED.replace("TEXT", t))),
    "web damaged data": lambda t: _web(_HEAD.replace("TEXT", _DAMAGED.replace("TEXT", t))),
    "web raw data": lambda t: _web(_HEAD.replace("TEXT", _DAMAGED.replace('{"name":"TEXT"}', t))),
    "marvel": _marvel,
    "snake case": snake_case,
    "addresses": lambda t: web_addresses([f"http://{t}", f"http://a.example/?{t}", *t.split()]),
    "date": normalise_date,
    "robots header": is_refused,
    "csv": lambda t: list(csv_lines(f"a,b\n{t}", ",")),
    "csv header": lambda t: list(csv_lines(t, ";")),
    "lines": lambda t: split_lines(t.encode(errors="replace")),
    "line ranges": _ranges,
    "sitemap lines": lambda t: read_sitemap(f"http://a/\n{t}".encode(errors="replace"), "a"),
    "sitemap entry": partial(_sitemap, _URLSET),
    "sitemap text": partial(_sitemap, "<urlset><url><loc><![CDATA[TEXT]]></loc></url></urlset>"),
    "sitemap comment": partial(_sitemap, "<urlset><!--TEXT--></urlset>"),
    "sitemap attribute": partial(_sitemap, '<urlset a="TEXT"><url/></urlset>'),
    "sitemap address": lambda t: normal_address(f"http://{t}/"),
    "sitemap path": lambda t: normal_address(f"http://a.example/{t}"),
    "sitemap prefix": lambda t: is_below(f"http://a/{t}", [f"http://a/{t[:-1]}", t]),
    "ending": lambda t: ending_of_no_page(f"http://a/{t}"),
    "robots": lambda t: Robots(f"User-agent: *\nDisallow: {t}\n{t}").allows("http://a/aaaa"),
    "robots wildcards": lambda t: Robots("User-agent: *\nDisallow: /*a*a*a*b$").allows(
        f"http://a/{t}"
    ),
    "redacted": partial(redact, secrets=["abcdefgh"]),
    "link header": next_link,
    "link target": lambda t: next_link(f'<{t}>; rel="{t}"; title="{t}'),
    "next address": lambda t: next_address(
        "http://a/", f"http://{t}", "http://a/", "key", ["s" * 9]
    ),
    "next query": lambda t: next_address("http://a/", f"/?{t}", "http://a/", "key", ["s" * 9]),
    "comparable": lambda t: comparable(f"http://a/?{t}"),
    "place": lambda t: host_path(f"http://a/{t}"),
    "json": load_json,
    "json value": lambda t: JsonDocument(_json_value(t)).record_texts("data.results"),
    "json list": lambda t: JsonDocument(json.dumps(list(t))).record_texts("@"),
    "expression": lambda t: evaluate("sort(@) | [?contains(@, 'a')] | join(',', @)", list(t)),
    "wiki answer": lambda t: WikiAnswer(_json_value(t).encode(), "a").continuation,
    "marvel answer": lambda t: parse_page(_json_value(t).encode()),
    "marvel error": lambda t: parse_error(t.encode(errors="replace")),
    "page id": lambda t: page_id("records", t),
    "page line": _page_line,
    "gzip members": lambda t: gunzip(gzip.compress(b"") * (len(t) // 20 + 1), 1 << 25),
    "stored lines": lambda t: list(decode_lines(encode_lines(t.split("\n")), "k")),
    "words": tokenise,
    "stems": content_stems,
    "names": proper_names,
    "names in prose": names_in_prose,
    "question": read_question,
    "message": lambda t: analyse(t, [_turn("Who is Thor?")]),
    "earlier turn": lambda t: analyse("and when did he?", [_turn(t)]),
    "candidates": lambda t: split_candidates(_passages(t)),
    "answer": lambda t: ExtractiveGenerator().generate("Who created Ultron?", _passages(t)),
    "filter": lambda t: parse_query_string({"q": ["a"], "filter.a": [t], "filter.b.min": [t]}),
    "unknown parameter": lambda t: parse_query_string({t: [t]}),
    "number": parse_number,
    "query terms": query_terms,
    "postings": lambda t: build_tables([SearchedRow("t:1", t, t)]),
    "shown": shortened,
}

# What takes a microsecond or more for a character.
SLOW = frozenset(
    name
    for name in FUNCTIONS
    if name.startswith(
        ("web", "wiki text", "marvel", "mapped list", "expression", "words", "stems")
    )
    or name in {"names", "names in prose", "question", "message", "earlier turn", "candidates"}
    or name in {"answer", "query terms", "postings", "json list"}
)

_UNITS = {
    "dots": ".", "ellipses": "… ", "brackets": "[[", "square": "[", "braces": "{{", "round": "(",
    "spaces": " ", "line breaks": "\n", "carriage returns": "\r\n", "spaced breaks": "\n ",
    "tabs": "\t", "quotes": '"', "apostrophes": "'", "quoted": '."', "colons": ":", "semis": ";",
    "authors": "A. B. Surname, ", "initials": "A. ", "abbreviations": "Mr. ", "names": "Hank Pym, ",
    "one word": "a", "capitals": "A", "Words": "Aa ", "digits": "1", "dates": "2020-01-01 ",
    "marks": "\u0300\u0316", "kana marks": "\uff9e\u0300", "accents": "é", "emoji": "👍🏽",
    "surrogates": "\ud800", "null": "\0",
    "less": "<", "open tags": "<b>", "items": "<ul><li>a", "paragraphs": "<p>a",
    "closed": "<i>a</i>",
    "attributes": '<a b="', "comments": "<!--", "declarations": "<![", "scripts": "<script>",
    "ampersands": "&", "entities": "&amp;", "numbers": "&#65;", "urls": "<url><loc>http://a/</loc>",
    "wiki links": "[[a|b]]", "open links": "[[a|", "templates": "{{a|b=c}}", "lists": "* a\n",
    "tables": "{|\n|a\n|}\n", "headings": "== a ==\n", "references": "<ref>", "switches": "__A",
    "arrays": "[", "objects": '{"a":', "closed arrays": "[],", "strings": '"a",', "escapes": "\\",
    "addresses": "http://a.b/ ", "slashes": "/", "queries": "a=b&", "percents": "%41", "stars": "*",
    "rules": "\nDisallow: /*a", "agents": "\nUser-agent: b", "commas": ",", "fields": '"a,b"\n',
    "parameters": "; a=b", "links": '<a>; rel="b", ', "equals": "=", "underscores": "__",
    "secrets": "token=a&", "users": "://a@", "at": "@", "pipes": "|",
    "persons": '{"@type":"Person","name":"aB"},',
    "authors of data": '"author":', "hyphens": "- ",
}  # fmt: skip


def _repeated(unit: str, length: int) -> str:
    return unit * max(1, length // len(unit))


def _numbered(form: str, length: int) -> str:
    """Different each time: what is kept of each must not make the next one dearer."""
    found: list[str] = []
    size = 0
    while size < length:
        found.append(form.format(len(found)))
        size += len(found[-1])
    return "".join(found)


def _letters(length: int) -> str:
    return "".join(chr(0x4E00 + number % 20_000) for number in range(length))


def _mixed(length: int) -> str:
    return "".join(islice(cycle("".join(_UNITS.values())), length))


GENERATORS: dict[str, Callable[[int], str]] = {
    **{name: partial(_repeated, unit) for name, unit in _UNITS.items()},
    "dots and a word": lambda length: "." * (length - 2) + " a",
    "a gap": lambda length: f"a{' ' * length}b",
    "many words": partial(_numbered, "w{} "),
    "many names": partial(_numbered, "Aa{}, "),
    "many agents": lambda length: (
        _numbered("\nUser-agent: a{}", length // 2) + _numbered("\nDisallow: /{}", length // 2)
    ),
    "many members": lambda length: "{" + _numbered('"a{0}":{0},', length)[:-1] + "}",
    "many letters": _letters,
    "mixed": _mixed,
}
