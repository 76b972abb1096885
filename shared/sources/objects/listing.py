"""What a plan takes from a listing: page ids, and whether anything has changed."""

import hashlib
import re
from collections.abc import Iterable

from shared.errors import SourceError
from shared.storage.object_store import ObjectSummary

_COMPRESSED = ".gz"
# A key goes into each job and into the metadata of each raw object, where 2 KB is the bound.
_LONGEST_KEY = 400
_LONGEST_SLUG = 100


def format_of(key: str, formats: Iterable[str]) -> str | None:
    """Return which of the formats (`.jsonl`) a key ends in, be it compressed or not."""
    name = key.lower().removesuffix(_COMPRESSED)
    return next((name_end for name_end in formats if name.endswith(name_end)), None)


def is_compressed(key: str) -> bool:
    """Whether the name says that the object is gzipped."""
    return key.lower().endswith(_COMPRESSED)


def readable_objects(
    listed: Iterable[ObjectSummary], prefix: str, formats: tuple[str, ...]
) -> list[ObjectSummary]:
    """Return the objects of the formats, in key order; none at all in an empty prefix.

    Raises:
        SourceError: there are objects, but none of these formats, or a key is too long.
    """
    found: list[ObjectSummary] = []
    others: list[str] = []
    for summary in listed:
        if format_of(summary.key, formats) is not None:
            found.append(_with_short_key(summary))
        elif not summary.key.endswith("/"):  # what consoles make of an empty folder
            others.append(summary.key)
    if others and not found:
        endings = ", ".join(formats)
        raise SourceError(
            f"none of the {len(others)} objects below {prefix} ends in {endings} (or that and "
            f"{_COMPRESSED}), for example {others[0][:200]}; rename them, or correct the prefix"
        )
    return found


def page_id(endpoint: str, name: str) -> str:
    """Return a readable id that follows from the object's name alone, so a second plan agrees.

    Ids sort as names do: of one entity in several objects, the version of the last id counts.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower().removesuffix(_COMPRESSED)).strip("-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return "-".join(part for part in (endpoint, slug[:_LONGEST_SLUG].strip("-"), digest) if part)


def listing_etag(objects: Iterable[ObjectSummary]) -> str:
    """Return what changes when an object comes, goes or changes."""
    text = "\n".join(f"{listed.key}\t{listed.etag}" for listed in objects)
    return hashlib.sha256(text.encode()).hexdigest()


def _with_short_key(summary: ObjectSummary) -> ObjectSummary:
    if len(summary.key.encode()) > _LONGEST_KEY:
        raise SourceError(
            f"the key {summary.key[:80]}… has more than {_LONGEST_KEY} bytes; rename the object"
        )
    return summary
