"""HTML to plain text, for descriptions that are mostly text with a few tags in them."""

import html
import re
from html.entities import html5

_BLOCK_TAGS = frozenset(
    "address article aside blockquote body br caption caution center dd div dl dt fieldset "
    "figcaption figure footer form fullname h1 h2 h3 h4 h5 h6 head header hr html important li "
    "main nav note ol option p pre section select table tbody td textarea tfoot th thead title "
    "tr ul".split()
)
_INLINE_TAGS = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img input ins kbd label link "
    "mark meta q rp rt ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
# What is inside is no text for a reader.
_HIDDEN_ELEMENT = re.compile(r"<(script|style|template|noscript|svg)\b", re.IGNORECASE)
# Possessive quantifiers keep the search linear on hostile input.
_TAG = re.compile(
    r"""</?([a-zA-Z][a-zA-Z0-9]*)(?=[\s/>])(?:=\s*+"[^"<]*+"|=\s*+'[^'<]*+'|[^<>])*+>"""
)
_DECLARATION = re.compile(r"<[!?][a-zA-Z\[][^<>]*+>")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|[a-zA-Z][a-zA-Z0-9]{1,31};)")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\u200b\ufffe\uffff]")
_SPACE = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n[ \n]*")


def html_to_text(markup: str | None) -> str:
    """Return the text of an HTML fragment, or of plain text, with one line a block.

    Only elements that HTML (or the AWS documentation) knows are markup: `<bucket-name>` and
    `a < b` stay as they are. Line breaks mean something only in a text without any tag. Runs of
    white space become one space, runs of line breaks one line break; control characters go.
    """
    if not markup:
        return ""
    text = _without_hidden_parts(markup)
    has_markup = any(_is_known(match) for match in _TAG.finditer(text))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if has_markup:
        text = _TAG.sub(_replace_tag, text.replace("\n", " "))
    text = _DECLARATION.sub("", text)
    text = _REFERENCE.sub(_replace_reference, text)
    return collapse(text)


def collapse(text: str) -> str:
    """Drop control characters and collapse white space, keeping single line breaks."""
    text = text.replace("\r", "\n").replace("\v", "\n").replace("\f", "\n")
    text = text.replace("\u2028", "\n").replace("\u2029", "\n").replace("\x85", "\n")
    text = _SPACE.sub(" ", _CONTROL.sub("", text))
    return _BREAKS.sub("\n", text).strip()


def _is_known(match: re.Match[str]) -> bool:
    name = match.group(1).lower()
    return name in _BLOCK_TAGS or name in _INLINE_TAGS


def _replace_tag(match: re.Match[str]) -> str:
    if match.group(1).lower() in _BLOCK_TAGS:
        return "\n"
    return "" if _is_known(match) else match.group()


def _replace_reference(match: re.Match[str]) -> str:
    reference = match.group()
    if reference.startswith("&#"):
        return html.unescape(reference)
    # `html.unescape` would also take a prefix, and make of `&notation;` a sign and a rest.
    return html5.get(reference[1:], reference)


def _without_hidden_parts(markup: str) -> str:
    """Cut comments, scripts and the like; what is never closed hides the rest, as in a browser."""
    kept: list[str] = []
    position = 0
    text = _without_comments(markup)
    while opening := _HIDDEN_ELEMENT.search(text, position):
        kept.append(text[position : opening.start()])
        closing = re.compile(rf"</{opening.group(1)}\s*+>", re.IGNORECASE).search(
            text, opening.end()
        )
        if closing is None:
            return "".join(kept)
        position = closing.end()
    return "".join(kept) + text[position:]


def _without_comments(markup: str) -> str:
    kept: list[str] = []
    position = 0
    while (start := markup.find("<!--", position)) >= 0:
        kept.append(markup[position:start])
        end = markup.find("-->", start + 4)
        if end < 0:
            return "".join(kept)
        position = end + 3
    return "".join(kept) + markup[position:]
