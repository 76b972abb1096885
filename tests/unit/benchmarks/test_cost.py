"""The arithmetic of the cost benchmark, against sums done by hand."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import cost
from benchmarks.cost import (
    CHUNKS_PER_DOCUMENT,
    EMBEDDING_RATE,
    LINE_CPU_MS,
    Assumptions,
    Item,
    ingest_items,
    keeping_items,
    query_items,
    total,
)
from scripts.build_support import repository_root
from tests.unit.docs.makefile import Makefile
from tests.unit.docs.named_commands import named_commands

FIGURES = {
    "embed.query_ms": 4.2,
    EMBEDDING_RATE: 50.0,
    CHUNKS_PER_DOCUMENT: 2.0,
    LINE_CPU_MS: 6.0,
    "search.100000.hybrid_p50_ms": 2.1,
    "search.100000.bytes_per_vector": 2000.0,
    "search.open_100_mb_seconds": 0.5,
    "shard.build_vectors_per_second": 2000.0,
    "compaction.100.threads_2.seconds": 20.0,
    "compaction.100.vectors": 50_000.0,
}


def quantity(items: list[Item], name: str, unit: str) -> float:
    (found,) = [item.quantity for item in items if (item.name, item.unit) == (name, unit)]
    return found


def test_a_warm_query_by_hand() -> None:
    assumed = Assumptions(other_query_ms=3.0, cold_share=0.0)
    items = query_items(FIGURES, assumed, 1_000_000)
    # 9.3 ms are billed as 10 ms of 2 GB.
    assert quantity(items, "Lambda", "GB-seconds") == pytest.approx(20_000)
    assert quantity(items, "Lambda /tmp", "GB-seconds") == pytest.approx(10_000 * 3.5)
    dollars = {(item.name, item.unit): item.dollars for item in items}
    assert dollars["API Gateway", "requests"] == pytest.approx(3.50)
    assert dollars["Lambda", "requests"] == pytest.approx(0.20)
    assert dollars["Lambda", "GB-seconds"] == pytest.approx(20_000 * 0.0000133334)
    assert dollars["S3", "GET"] == pytest.approx(0.40)


def test_cold_queries_cost_what_their_start_takes() -> None:
    warm = query_items(FIGURES, Assumptions(cold_share=0.0), 100)
    cold = query_items(FIGURES, Assumptions(cold_share=0.1, cold_cpu_seconds=2.5), 100)
    more = quantity(cold, "Lambda", "GB-seconds") - quantity(warm, "Lambda", "GB-seconds")
    assert more == pytest.approx(10 * 3.0 * 2.0)


def test_a_million_queries_cost_a_million_times_one() -> None:
    one = total(query_items(FIGURES, Assumptions()))
    assert total(query_items(FIGURES, Assumptions(), 1_000_000)) == pytest.approx(one * 1_000_000)


def test_ingest_by_hand() -> None:
    assumed = Assumptions(
        documents_per_page=100,
        chunks_per_part=200,
        jobs_per_commit=10,
        merges_per_vector=1.0,
        waiting_seconds_per_job=0.0,
    )
    items = ingest_items(FIGURES, assumed, 500_000)
    # 1,000,000 vectors, 5,000 pages, 5,000 parts, 20 merges.
    assert quantity(items, "Lambda", "requests") == 3 * 5000 + 2 * 5000 + 20
    assert quantity(items, "SQS", "requests") == 3 * 25_020
    commits = 500 + 20
    assert quantity(items, "S3", "PUT") == 4 * 5000 + 5 * 5000 + 2 * commits + 3 * 20
    assert quantity(items, "S3", "GET") == 2 * 5000 + 2 * 5000 + commits + 3 * (5000 + 20)
    assert quantity(items, "DynamoDB", "write units") == 4 * (4 * 5000 + 2 * 5000) + 2 * 500_000
    # 20,000 s of embedding, 500 s of building, 3,000 s of all before.
    cpu = (20_000 + 500 + 3000) * 1769 / 1024
    merging = 20 * 20 * 3008 / 1024
    assert quantity(items, "Lambda", "GB-seconds") == pytest.approx(cpu + merging)


def test_keeping_by_hand() -> None:
    assumed = Assumptions(embedding_bytes=1600, document_bytes=1000, entity_item_bytes=200)
    items = keeping_items(FIGURES, assumed, 500_000)
    assert [item.quantity for item in items] == pytest.approx([2.0, 1.6 + 1.5, 0.1, 0.1])
    assert total(items) == pytest.approx(5.1 * 0.023 + 0.1 * 0.25 + 0.1 * 0.20)


def test_memory_is_what_terraform_sets() -> None:
    text = (repository_root() / "terraform" / "defaults.tf").read_text()
    for function, memory_mb in cost.MEMORY_MB.items():
        block = re.search(rf"^    {function} = \{{(.*?)^    \}}", text, re.MULTILINE | re.DOTALL)
        assert block is not None
        assert re.search(rf"memory_mb\s+= {memory_mb}\b", block.group(1)), function
        storage_mb = cost.STORAGE_MB.get(function)
        found = re.search(r"ephemeral_storage_mb\s+= (\d+)", block.group(1))
        assert (int(found.group(1)) if found else None) == storage_mb, function


def test_it_prints_where_each_figure_is_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"embed.query_ms": 3.25, "other": 1}))
    status = cost.main(["--figures", str(path), "--set", f"{EMBEDDING_RATE}=99.5"])
    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert any("one query" in line and "3.25" in line and "measured" in line for line in lines)
    assert any("99.50" in line and line.endswith("measured") for line in lines)
    assert any(line.endswith("stand-in") for line in lines)
    assert sum(line.startswith("one million queries: $") for line in lines) == 1
    assert any(
        line.startswith("ingest of one million documents (2,000,000 vectors): $") for line in lines
    )


def test_the_commands_of_the_page_about_the_bill_print_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = repository_root()
    makefile = Makefile.parse((root / "Makefile").read_text(encoding="utf-8"))
    page = (root / "docs/how-to/estimate-the-bill.md").read_text(encoding="utf-8")
    bills = []
    for command in named_commands(page):
        [target, *given] = command.words[1:]
        options = dict(assignment.split("=", 1) for assignment in given)
        [*_, (_, _, module, *arguments)] = makefile.commands_of(target, options)
        assert module == "benchmarks.cost"
        assert cost.main(arguments) == 0
        bills.append(capsys.readouterr().out)
    assert len(bills) == 2
    for bill in bills:
        assert "one million queries: $" in bill
        assert "for a month: $" in bill
    assert "ingest of one million documents (12,000,000 vectors): $" in bills[1]


@pytest.mark.parametrize("text", ["nothing=1", "embed.query_ms=", "embed.query_ms=-1"])
def test_a_figure_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        cost.main(["--set", text])


def test_a_broken_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    path.write_text("{")
    assert cost.main(["--figures", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path} is no JSON")
