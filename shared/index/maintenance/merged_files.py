"""The files of a shard that others are merged into: all content is copied, none recomputed.

Rows keep the order of their chunk ids, vectors come from the old graphs, documents and words from
the old sidecars; only the graph is linked again. Everything is streamed except the new graph.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptObjectError
from shared.index.catalog.catalog import Catalog, CatalogRow, encode_catalog
from shared.index.catalog.liveness import EntityMask
from shared.index.graph.hnsw_file import Labels, Vectors, write_graph
from shared.index.shard.lexical import Postings, SearchedRow, build_tables
from shared.index.shard.shard_writer import CATALOG_SUFFIX, GRAPH_SUFFIX, SIDECAR_SUFFIX, ShardFiles
from shared.index.shard.sidecar import Document, PostingsTable, Sidecar, write_sidecar
from shared.models.entity import EntityVersion
from shared.models.manifest import ModelIdentity

_DROPPED = -1
_VECTORS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class MergeInput:
    """An open shard, and which of its entities are kept.

    `vectors` returns those of some rows; it and the sidecar are None when no row is kept.
    """

    catalog: Catalog
    kept: EntityMask
    vectors: Callable[[Labels], Vectors] | None
    sidecar: Sidecar | None

    @property
    def kept_rows(self) -> npt.NDArray[np.bool_]:
        """Which rows are kept."""
        return self.kept[self.catalog.row_entities]


@dataclass(frozen=True, slots=True)
class InputWords:
    """Where the words of an input occur, by field, and how many words each row has."""

    every: Callable[[PostingsTable], Iterable[tuple[str, Postings]]]
    words: npt.NDArray[np.uint32]
    title_words: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, input_: MergeInput) -> "InputWords":
        """Those of its files; a shard of an earlier release has the words of its texts cut again.

        Such a shard counts the words of a title with those of each text, and knows no words of
        scripts that put no spaces between them.
        """
        catalog, sidecar = input_.catalog, input_.sidecar
        if sidecar is None:
            return cls(lambda _: (), catalog.row_words, catalog.row_title_words)
        if catalog.has_titles:
            return cls(sidecar.every_posting, catalog.row_words, catalog.row_title_words)
        tables = build_tables(
            SearchedRow(
                catalog.entity_key(int(catalog.row_entities[label])),
                document.metadata.title,
                document.text,
            )
            for label, document in sidecar.every_document()
        )
        fields = {"postings": tables.texts, "titles": tables.titles}
        return cls(lambda table: fields[table].items(), tables.words, tables.title_words)


def write_merged(
    folder: Path, model: ModelIdentity, inputs: Sequence[MergeInput], *, threads: int = 1
) -> ShardFiles | None:
    """Write the shard that holds what is kept of others; None when nothing is.

    No entity may be kept of two inputs. With one thread, the files are those that building the
    shard from its chunks and vectors makes.

    Raises:
        CorruptObjectError: a sidecar does not hold the rows of its catalog; names it.
    """
    entities = _kept_entities(inputs)
    if not entities:
        return None
    order = _Order.of(inputs)
    words = [InputWords.of(input_) for input_ in inputs]
    files = ShardFiles(
        folder / f"merged.{CATALOG_SUFFIX}",
        folder / f"merged.{GRAPH_SUFFIX}" if order.rows else None,
        folder / f"merged.{SIDECAR_SUFFIX}" if order.rows else None,
    )
    files.catalog.write_bytes(encode_catalog(model, entities, _catalog_rows(inputs, words, order)))
    if files.sidecar is not None:
        write_sidecar(
            files.sidecar,
            model=model,
            documents=(document for _, _, document in _documents(inputs, order)),
            texts=_postings("postings", words, order),
            titles=_postings("titles", words, order),
        )
    if files.graph is not None:
        batches = _vector_batches(inputs, order, model.dims)
        write_graph(files.graph, batches, rows=order.rows, dims=model.dims, threads=threads)
    return files


@dataclass(frozen=True, slots=True)
class _Order:
    """Which row of which input each new row is, and which new row each old one becomes."""

    inputs: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.uint32]
    new_labels: Sequence[npt.NDArray[np.int64]]

    @classmethod
    def of(cls, inputs: Sequence[MergeInput]) -> "_Order":
        """Order the kept rows by their chunk ids, as `shard_writer` ordered those of each input."""
        numbers, labels = array("H"), array("I")
        for _, number, label in merge(*(_keyed(n, input_) for n, input_ in enumerate(inputs))):
            numbers.append(number)
            labels.append(label)
        of_inputs = np.frombuffer(numbers, np.uint16) if numbers else np.empty(0, np.uint16)
        of_labels = np.frombuffer(labels, np.uint32) if labels else np.empty(0, np.uint32)
        new_labels = []
        for number, input_ in enumerate(inputs):
            new = np.full(input_.catalog.rows, _DROPPED, dtype=np.int64)
            rows = np.flatnonzero(of_inputs == number)
            new[of_labels[rows]] = rows
            new_labels.append(new)
        return cls(of_inputs, of_labels, new_labels)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.labels)


def _keyed(number: int, input_: MergeInput) -> Iterator[tuple[str, int, int]]:
    kept = input_.kept_rows
    return (
        (chunk_id, number, label)
        for label, chunk_id in enumerate(input_.catalog.packed_chunk_ids)
        if kept[label]
    )


def _kept_entities(inputs: Sequence[MergeInput]) -> dict[str, EntityVersion]:
    return {
        input_.catalog.entity_key(number): input_.catalog.version(number)
        for input_ in inputs
        for number in np.flatnonzero(input_.kept).tolist()
    }


def _documents(
    inputs: Sequence[MergeInput], order: _Order
) -> Iterator[tuple[MergeInput, int, Document]]:
    """Each new row in its order: the input it comes from, its label there, and its document."""
    streams = [input_.sidecar.every_document() if input_.sidecar else iter(()) for input_ in inputs]
    for number, label in zip(order.inputs.tolist(), order.labels.tolist(), strict=True):
        for found, document in streams[number]:
            if found == label:
                yield inputs[number], label, document
                break
        else:
            chunk_id = inputs[number].catalog.chunk_id(label)
            raise CorruptObjectError(
                f"a sidecar lacks row {label}, chunk {chunk_id}, of its catalog; "
                "build the shard again"
            )


def _catalog_rows(
    inputs: Sequence[MergeInput], words: Sequence[InputWords], order: _Order
) -> Iterator[CatalogRow]:
    documents = _documents(inputs, order)
    for number, (input_, label, document) in zip(order.inputs.tolist(), documents, strict=True):
        catalog = input_.catalog
        yield CatalogRow(
            catalog.chunk_id(label),
            catalog.entity_key(int(catalog.row_entities[label])),
            document.metadata,
            int(words[number].words[label]),
            int(words[number].title_words[label]),
        )


def _postings(
    table: PostingsTable, words: Sequence[InputWords], order: _Order
) -> Iterator[tuple[str, Postings]]:
    streams = (
        _mapped_postings(of_input.every(table), order.new_labels[number])
        for number, of_input in enumerate(words)
    )
    for word, found in groupby(merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
        parts = [(labels, counts) for _, labels, counts in found]
        labels = np.concatenate([labels for labels, _ in parts])
        counts = np.concatenate([counts for _, counts in parts])
        ascending = np.argsort(labels)
        yield word, Postings(labels[ascending].astype("<u4"), counts[ascending])


def _mapped_postings(
    postings: Iterable[tuple[str, Postings]], new_labels: npt.NDArray[np.int64]
) -> Iterator[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.uint16]]]:
    """The words of one input in their order, under new labels; words without a kept row are out."""
    for word, found in postings:
        labels = new_labels[found.labels]
        is_kept = labels != _DROPPED
        if is_kept.any():
            yield word, labels[is_kept], found.counts[is_kept]


def _vector_batches(inputs: Sequence[MergeInput], order: _Order, dims: int) -> Iterator[Vectors]:
    for start in range(0, order.rows, _VECTORS_AT_ONCE):
        numbers = order.inputs[start : start + _VECTORS_AT_ONCE]
        labels = order.labels[start : start + _VECTORS_AT_ONCE]
        batch = np.empty((len(labels), dims), dtype=np.float32)
        for number in np.unique(numbers).tolist():
            rows = numbers == number
            vectors = inputs[number].vectors
            if vectors is not None:  # it is, as rows of this input are kept
                batch[rows] = vectors(labels[rows].astype(np.int64))
        yield batch
