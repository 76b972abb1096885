"""A hook of MkDocs: links from docs/ to other files of the repository, which no page is made of.

On GitHub such a link leads to the file. In the built pages it becomes the file's path.
"""

import os
import re
from pathlib import PurePosixPath
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#\s]*)(?:#[^)\s]*)?\)")
_DOCUMENTS = "docs"


def without_outside_links(markdown: str, page: PurePosixPath) -> str:
    """Return the text of a page, `page` from docs/, with paths for links that leave docs/."""

    def shown(match: re.Match[str]) -> str:
        text, link = match[1], match[2]
        path = os.path.normpath(PurePosixPath(_DOCUMENTS, page.parent, link))
        if path == _DOCUMENTS or path.startswith(f"{_DOCUMENTS}/"):
            return match[0]
        return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"

    return _LINK.sub(shown, markdown)


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """What MkDocs calls with the text of each page."""
    return without_outside_links(markdown, PurePosixPath(page.file.src_uri))
