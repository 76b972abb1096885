"""Reads a corpus that already is in wire format: archives, mirrors, recorded responses."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from examples.marvel.catalog.authored import CorpusError
from examples.marvel.catalog.catalog import Catalog
from examples.marvel.wire import (
    ENTITY_TYPES,
    EntityType,
    WireEntity,
    parse_resource_uri,
)

_SUFFIXES: Final = (".json", ".jsonl", ".jsonl.gz")


def load_archive(path: Path) -> Catalog:
    """Serve every entity found in a file, or in the files below a directory.

    A `.json` file is one JSON value, `.jsonl` (also gzipped) one a line. A value is an entity, a
    list of values, or a response: anything with `results`, or with `data` that has them. The type
    of an entity is the one its `resourceURI` names. Of an entity that comes twice the later one
    counts. Raises CorpusError naming the file and line that cannot be used.
    """
    entities: dict[EntityType, list[WireEntity]] = {kind: [] for kind in ENTITY_TYPES}
    for file in _files(path):
        for place, value in _values(file):
            for entity in _entities(value, place):
                entities[_type_of(entity, place)].append(entity)
    if not any(entities.values()):
        raise CorpusError(f"{path}: there are no entities in it")
    return Catalog(entities)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CorpusError(f"{path}: there is no such file or directory")
    return sorted(file for file in path.rglob("*") if file.name.endswith(_SUFFIXES))


def _values(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
        text = content.decode("utf-8")
    except (OSError, EOFError, ValueError) as error:
        raise CorpusError(f"{file}: {error}") from error
    if file.suffix == ".json":
        yield str(file), _parse(text, str(file))
        return
    # Not splitlines(): JSON text may hold other line separators unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{file} line {number}", _parse(line, f"{file} line {number}")


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CorpusError(f"{place}: {error}") from error


def _entities(value: Any, place: str) -> Iterable[WireEntity]:
    if isinstance(value, list):
        for member in value:
            yield from _entities(member, place)
    elif isinstance(value, dict) and "results" in value:
        yield from _entities(value["results"], place)
    elif isinstance(value, dict) and "data" in value:
        yield from _entities(value["data"], place)
    elif isinstance(value, dict):
        yield value
    else:
        raise CorpusError(f"{place}: expected an entity, found {type(value).__name__}")


def _type_of(entity: WireEntity, place: str) -> EntityType:
    uri = entity.get("resourceURI")
    target = parse_resource_uri(uri) if isinstance(uri, str) else None
    if target is None or entity.get("id") != target[1]:
        raise CorpusError(f"{place}: an entity needs an id and the resourceURI of that id")
    return target[0]
