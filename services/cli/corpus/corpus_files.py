"""Reads a corpus document that an operator wrote: a JSON or TOML file."""

import json
import tomllib
from pathlib import Path
from typing import Any

from shared.corpora.documents import check_corpus
from shared.errors import InvalidInputError
from shared.models.corpus import Corpus


def read_corpus_file(path: Path, name: str | None = None) -> Corpus:
    """Read a corpus; `name` replaces the document's own.

    Raises:
        InvalidInputError: the file cannot be read, is neither JSON nor TOML, or is no valid corpus;
            names the file and the field.
    """
    document = _parsed(path)
    if name is not None:
        document["name"] = name
    return check_corpus(document, str(path))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read ({type(error).__name__})") from error
    is_toml = path.suffix.lower() == ".toml"
    try:
        document = tomllib.loads(text) if is_toml else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if is_toml else "JSON"
        raise InvalidInputError(
            f"{path} is no {kind}: {str(error) or type(error).__name__}; "
            "a file that ends in .toml is read as TOML, any other as JSON"
        ) from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"{path} holds no object; a corpus is one, with name and source")
    return document
