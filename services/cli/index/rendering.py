"""What `ultron index` shows, as text; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.cli.tables import table_lines

_BYTES_IN_MEGABYTE = 1_000_000


def index_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The versions of each index of a corpus, as tables."""
    for number, index in enumerate(document["indexes"]):
        if number:
            yield ""
        model = index["model"]
        yield (
            f"{document['corpus']} under {model['id']} revision {model['revision']}, "
            f"{model['dims']} dimensions"
        )
        header = ("version", "committed at", "change", "shards", "vectors", "MB")
        yield from table_lines([header, *map(_version_cells, index["versions"])], left={1, 2})


def shards_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The shards of each index of a corpus, as tables."""
    for index in document["indexes"]:
        yield f"{document['corpus']} under {index['model']['id']}, version {index['version']}"
        header = ("shard", "vectors", "entities", "MB", "made by")
        rows = [
            (
                shard["shard_id"],
                str(shard["vectors"]),
                str(shard["entities"]),
                f"{shard['size_bytes'] / _BYTES_IN_MEGABYTE:.1f}",
                shard["origin"],
            )
            for shard in index["shards"]
        ]
        yield from table_lines([header, *rows], left={0, 4})


def marked_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """An index without a shard that was bad, and what becomes of what it held."""
    yield (
        f"version {answer['version']} of {answer['corpus']} has no such shard any more: "
        f"{answer['vectors']} vectors in {answer['shards']} shards are left"
    )
    if answer.get("entities") is not None:
        yield f"its {answer['entities']} entities are not found for now"
    rebuild = answer.get("rebuild")
    if rebuild:
        yield (
            f"rebuild {rebuild['rebuild_id']} has begun, in {rebuild['steps']} steps: "
            "when it is live, they are found again"
        )
    else:
        yield (
            "the next run reads the whole source and embeds them again: "
            f"`ultron run start --corpus {answer['corpus']} --mode full`"
        )


def recall_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """How close the live answers come to exact ones."""
    yield (
        f"recall@{answer['k']} of {answer['corpus']}, version {answer.get('version')}: "
        f"{answer['recall']:.4f} over {answer['samples']} samples "
        f"(worst {answer['recall_worst']:.2f})"
    )
    times = answer.get("milliseconds") or {}
    if times:
        yield ", ".join(f"{name.replace('_', ' ')} {value} ms" for name, value in times.items())


def _version_cells(version: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(version["version"]),
        str(version["committed_at"]),
        str(version["change"]),
        str(version["shards"]),
        str(version["vectors"]),
        f"{version['size_bytes'] / _BYTES_IN_MEGABYTE:.1f}",
    )
