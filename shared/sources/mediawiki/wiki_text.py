"""Wikitext to plain text: what a reader sees of the words, without templates, tables and files."""

import html
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from shared.canonical.records import RecordLeftOutError
from shared.sources.mediawiki.wiki_markup import prepared, restored
from shared.text.html import collapse

if TYPE_CHECKING:
    from mwparserfromhell.nodes import Node, Wikilink
    from mwparserfromhell.wikicode import Wikicode

# Each of these makes its own node, by the kilobyte: a page of nothing else would take more
# memory and time than a function has.
MAXIMUM_MARKS = 100_000
_MARKS = re.compile(r"^[*#:;]++|^[ \t:]*+\{\||^[ \t]*+[|!=-]|\|\||!!|\[\[|\{\{|&", re.MULTILINE)
_FILES = frozenset({"file", "image", "media"})
_MEDIA = re.compile(
    r"\.(apng|avif|bmp|djvu|flac|gif|jpe?g|mid|mp3|mp4|mpe?g|oga|ogg|ogv|opus|pdf|png|svg|tiff?|wav"
    r"|webm|webp|xcf)\s*$",
    re.IGNORECASE,
)
# `[[de:Ultron]]` is the same page in German; a label makes it a link within the text.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{2,8})*")
_QUOTES = re.compile(r"'{2,}")
_SWITCH = re.compile(r"__([^\W\d_]+)__")
_HOLLOW = re.compile(r" ?\([ \n,;:-]*+\)")


def wikitext_to_text(wikitext: str, category_names: Collection[str] = ()) -> str:
    """Return the text of a page, a line for each paragraph, heading and list item.

    Templates, tables, references, files and categories are left out. `category_names` are what the
    wiki calls the namespace of categories, besides `Category`.

    Raises:
        RecordLeftOutError: it has too many links, templates, list items and cells.
    """
    # Imported where it is needed: it costs every other corpus a twentieth of a second.
    import mwparserfromhell

    # Emphasis is cut by hand: an apostrophe too many would confuse the parser's own reading of it.
    ready = prepared(wikitext)
    if sum(len(match[0].strip()) for match in _MARKS.finditer(ready)) > MAXIMUM_MARKS:
        raise RecordLeftOutError(
            f"its links, templates, lists and tables have more than {MAXIMUM_MARKS:,} marks",
            "revisions",
        )
    wikicode = mwparserfromhell.parse(ready, skip_style_tags=True)
    names = frozenset({"category", *(name.strip().casefold() for name in category_names)})
    text = "".join(_texts(wikicode, names))
    text = _SWITCH.sub(lambda match: "" if match[1].isupper() else match[0], text)
    return restored(collapse(_HOLLOW.sub("", collapse(_QUOTES.sub("", text)))))


def _texts(wikicode: "Wikicode", category_names: frozenset[str]) -> Iterator[str]:
    for node in wikicode.nodes:
        yield from _node_texts(node, category_names)


def _node_texts(node: "Node", category_names: frozenset[str]) -> Iterator[str]:
    from mwparserfromhell import nodes

    match node:
        case nodes.Text():
            yield str(node)
        case nodes.HTMLEntity():
            # Not the node's own way: it lets halves of surrogate pairs pass.
            yield html.unescape(str(node))
        case nodes.Wikilink():
            yield from _link_texts(node, category_names)
        case nodes.Heading():
            yield "\n"
            yield from _texts(node.title, category_names)
            yield "\n"
        case nodes.Tag() if node.wiki_markup and node.wiki_markup.startswith("----"):
            yield "\n"
        case _:
            return


def _link_texts(link: "Wikilink", category_names: frozenset[str]) -> Iterator[str]:
    target = html.unescape(str(link.title)).strip()
    namespace, colon, _ = target.partition(":")
    name = namespace.strip().casefold()
    if colon and name:
        is_language = link.text is None and _LANGUAGE.fullmatch(name)
        if name in _FILES or name in category_names or is_language or _MEDIA.search(target):
            return
    if link.text is not None and str(link.text).strip():
        yield from _texts(link.text, category_names)
    else:
        yield target.removeprefix(":")
