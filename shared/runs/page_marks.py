"""The marks on a page's record: what each stage has done of it.

Until marks had a version, three stages marked pages under other names than their functions have.
Workers of such a release may still be at work on such a page, so it keeps those names for as long
as it exists. Whoever reads marks sees only the names of the functions.
"""

from typing import Literal

from shared.table.typed_values import Item

StageName = Literal["fetch", "derive", "chunker", "embedder", "indexer"]
"""A stage has the name of its function."""

MARKS_VERSION = 2
"""What a page's record holds as `marks_version` whose marks have the names of the functions."""

_FORMER_NAMES = {"chunker": "chunk", "embedder": "embed", "indexer": "index"}
_PRESENT_NAMES = {former: present for present, former in _FORMER_NAMES.items()}

_OUTDATED = "outdated/"
_SUPERSEDED = "superseded/"
_WHOLE_PAGE_MARKS = frozenset({"fetch", "derive", "chunker"})


def mark_of(stage: StageName, part: int | None = None) -> str:
    """The mark for a stage that is done with a page, or with a part of it."""
    return stage if part is None else f"{stage}/{part}"


def outdated_mark(part: int) -> str:
    """The mark for a part that its index refused."""
    return f"{_OUTDATED}{part}"


def superseded_mark(part: int) -> str:
    """The mark for a part of which newer jobs have begun entities."""
    return f"{_SUPERSEDED}{part}"


def former_mark(mark: str) -> str:
    """The mark as a page without a version holds it."""
    return _renamed(mark, _FORMER_NAMES)


def has_former_names(page: Item) -> bool:
    """Whether an earlier release wrote the page, so that its marks go by their former names."""
    return "marks_version" not in page


def marks_of(page: Item) -> set[str]:
    """The marks of a page by the names of the functions, however they are stored."""
    return {_renamed(mark, _PRESENT_NAMES) for mark in page.get("stages", ())}


def has_done(page: Item, stage: StageName, part: int | None) -> bool:
    """Whether a stage is done with a page, or with a part of it."""
    marks = marks_of(page)
    if mark_of(stage, part) in marks:
        return True
    return stage == "indexer" and part is not None and outdated_mark(part) in marks


def is_complete(page: Item) -> bool:
    """Whether every stage is marked; late marks of early stages too, so counters are exact."""
    marks = marks_of(page)
    parts = page.get("parts")
    if parts is None or not marks >= _WHOLE_PAGE_MARKS:
        return False
    return all(
        mark_of("embedder", n) in marks
        and not marks.isdisjoint((mark_of("indexer", n), outdated_mark(n)))
        for n in range(parts)
    )


def is_etag_trusted(page: Item) -> bool:
    """Whether a page that is done is wholly indexed, so that its source may answer 304 to it."""
    is_left_out = any(mark.startswith((_OUTDATED, _SUPERSEDED)) for mark in marks_of(page))
    return bool(page.get("etag") and page.get("query_hash")) and not is_left_out


def _renamed(mark: str, names: dict[str, str]) -> str:
    name, separator, part = mark.partition("/")
    return f"{names.get(name, name)}{separator}{part}"
