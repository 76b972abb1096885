"""The parsers hold against the corpus and against what once failed, without a fuzzer."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.catalogue import CORPUS, GROUPS, NAMES, REGRESSIONS, load, seeds
from tests.fuzz.replay import main

LARGEST_FILE_BYTES = 4096


@pytest.mark.parametrize("name", NAMES)
def test_a_target_holds_against_all_that_a_run_begins_with(name: str) -> None:
    target = load(name)
    inputs = list(seeds(name, target))
    assert inputs
    for data in inputs:
        target.check(data)


def test_one_input_is_run_by_its_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"a,b\n1,2\n")
    assert main(["csv", str(path)]) == 0
    assert capfd.readouterr().out == "csv: held, inputs: 1\n"


@pytest.mark.parametrize("command", [main, run.main])
def test_an_unknown_target_ends_with_the_names_of_all(
    command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(["nope"])
    assert ended.value.code == 2
    assert "graph" in capsys.readouterr().err


@pytest.mark.parametrize("group", GROUPS)
def test_the_catalogue_names_the_targets_of_each_group(group: str) -> None:
    assert sorted(GROUPS[group]) == sorted(import_module(f"tests.fuzz.{group}").TARGETS)


def test_each_folder_of_inputs_is_that_of_a_target_and_each_input_is_small() -> None:
    folders = [folder for root in (CORPUS, REGRESSIONS) for folder in root.glob("*")]
    assert {folder.name for folder in folders} <= set(NAMES)
    files = [path for folder in folders for path in folder.iterdir()]
    assert [path for path in files if path.stat().st_size > LARGEST_FILE_BYTES] == []
