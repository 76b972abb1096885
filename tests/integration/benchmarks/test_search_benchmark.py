"""The search benchmark at a tiny size, with the systems that every environment has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.systems import Dataset, K, RowFilter
from benchmarks.search import ENGINE, Run, print_results
from benchmarks.search_data import Queries, exact_rows, filter_cases, recall_of, write_dataset
from shared.embedding.encoder import Vectors

DIMS = 16
ROWS = 3000


def unit_vectors(rows: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((rows, DIMS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.fixture(scope="module")
def queries() -> Vectors:
    return unit_vectors(8, seed=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, queries: Vectors) -> Dataset:
    texts = [(f"Title {number}", f"passage {number}") for number in range(500)]
    folder = tmp_path_factory.mktemp("data")
    asked = Queries([f"passage {number}" for number in range(len(queries))], queries)
    return write_dataset(folder, unit_vectors(500, seed=1), texts, asked, ROWS)


def test_rows_beyond_the_real_ones_are_near_their_origin(dataset: Dataset) -> None:
    vectors = np.asarray(dataset.vectors)
    assert vectors.shape == (ROWS, DIMS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    cosines = (vectors[500:1000] * vectors[:500]).sum(axis=1)
    assert 0.9 < float(cosines.mean()) < 0.99
    assert len({tuple(row) for row in vectors.tolist()}) == ROWS


def test_exact_rows_among_some(dataset: Dataset, queries: Vectors) -> None:
    vectors = np.asarray(dataset.vectors)
    among = np.arange(0, ROWS, 7)
    found = exact_rows(vectors, queries[:1], among)[0]
    best = sorted(among.tolist(), key=lambda row: -float(vectors[row] @ queries[0]))[:K]
    assert found == best


def test_filters_let_pass_what_they_say(dataset: Dataset, queries: Vectors) -> None:
    cases = {case.name: case for case in filter_cases(dataset, queries)}
    assert list(cases) == [
        "50.0% at random",
        "10.0% at random",
        "1.0% at random",
        "0.1% at random",
        "correlated cluster",
        "anti-correlated cluster",
    ]
    tenth = cases["10.0% at random"]
    assert tenth.conditions[0] == RowFilter(rank_below=ROWS // 10)
    assert all(dataset.ranks[row] < ROWS // 10 for rows in tenth.truth for row in rows)
    near, far = cases["correlated cluster"], cases["anti-correlated cluster"]
    vectors = np.asarray(dataset.vectors)
    for number, query in enumerate(queries):
        assert near.conditions[number] != far.conditions[number]
        close = np.mean(vectors[near.truth[number]] @ query)
        assert close > np.mean(vectors[far.truth[number]] @ query)


def test_recall_counts_right_rows_of_all_queries() -> None:
    assert recall_of([[1, 2], [9]], [[1, 3], [9, 8]]) == 0.5
    assert recall_of([], []) == 0.0


def test_a_run_measures_the_engine_and_its_peers(
    dataset: Dataset, queries: Vectors, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(dataset, tmp_path, [ENGINE, "numpy exact"], queries, 1, 1, 4)
    results = run.measure()
    assert list(results) == [ENGINE, "numpy exact"]
    assert results["numpy exact"].recall == 1.0
    engine = results[ENGINE]
    assert engine.recall >= 0.95
    assert len(engine.milliseconds) == 4
    assert len(engine.lexical_milliseconds) == len(engine.hybrid_milliseconds) == 4
    assert len(engine.filtered) == 6
    assert all(under.recall >= 0.95 for under in engine.filtered.values())
    assert engine.bytes_per_vector > DIMS * 4
    print_results(results)
    printed = capsys.readouterr().out
    assert "recall@10" in printed
    assert "hybrid / dense" in printed
    assert "anti-correlated cluster" in printed


def test_what_was_built_is_measured_again_without_building(
    dataset: Dataset, queries: Vectors, tmp_path: Path
) -> None:
    run = Run(dataset, tmp_path, ["numpy exact"], queries, 1, 1, 4)
    built = run.measure()["numpy exact"].build_seconds
    again = replace(run, reuse=True).measure()["numpy exact"]
    assert (again.build_seconds, again.recall) == (built, 1.0)


def test_a_system_that_is_not_installed_is_left_out(
    dataset: Dataset,
    queries: Vectors,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Found before the real one, should that be installed here.
    absent = "raise ModuleNotFoundError(\"No module named 'lancedb'\", name='lancedb')\n"
    (tmp_path / "lancedb.py").write_text(absent)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert Run(dataset, tmp_path, ["LanceDB"], queries, 1, 1, 4).measure() == {}
    assert list(tmp_path.glob("*.built.json")) == []
    assert "LanceDB: left out" in capsys.readouterr().err
