"""The bundles as a function would have them: nothing but the standard library beside them."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.build_bundles import build_bundles
from scripts.build_model import ensure_model
from scripts.build_support import repository_root
from scripts.bundling.functions import FUNCTIONS
from scripts.bundling.pruning import AWS_SERVICES

IMPORT_ALL = """
import importlib, pkgutil
import shared
package = importlib.import_module("services.{name}")
for module in pkgutil.walk_packages(package.__path__, "services.{name}."):
    importlib.import_module(module.name)
"""
EMBED = """
import sys
from pathlib import Path
import hnswlib
from shared.embedding.onnx_encoder import OnnxEncoder
vectors = OnnxEncoder.from_directory(Path(sys.argv[1])).encode_documents(["Ultron", "Vision"])
index = hnswlib.Index("ip", vectors.shape[1])
index.init_index(2)
index.add_items(vectors)
labels, _ = index.knn_query(vectors, k=1)
assert labels[:, 0].tolist() == [0, 1]
"""
MAKE_CLIENTS = """
import sys
import boto3
for name in sys.argv[1:]:
    boto3.client(name, region_name="eu-central-1")
"""
RUN_GRAPH = """
import importlib.metadata
from langgraph.graph import END, START, StateGraph
from langgraph_checkpoint_aws import DynamoDBSaver
graph = StateGraph(dict)
graph.add_node("say", lambda state: {"said": state["word"] * 2})
graph.add_edge(START, "say")
graph.add_edge("say", END)
assert graph.compile().invoke({"word": "a"}) == {"said": "aa"}
assert importlib.metadata.version("langgraph-checkpoint-aws")
"""
READ_SITES = """
import trafilatura
from defusedxml.ElementTree import fromstring
from protego import Protego
from w3lib.encoding import html_to_unicode
page = "<html><body><article><p>" + "Vision lifts the hammer of Thor. " * 20 + "</p></article>"
assert "hammer" in trafilatura.extract(html_to_unicode(None, page.encode())[1])
assert fromstring("<urlset><url/></urlset>").tag == "urlset"
assert not Protego.parse("User-agent: *\\nDisallow: /x").can_fetch("https://a.example/x", "me")
"""
READ_WIKIS = """
import mwparserfromhell
assert mwparserfromhell.parse("[[Vision|the android]]").strip_code() == "the android"
"""


@pytest.fixture(scope="module")
def listing_path() -> Path:
    return build_bundles("local", repository_root())


@pytest.fixture(scope="module")
def unpacked(listing_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("opt")
    listing = json.loads(listing_path.read_text())
    for kind in ("functions", "layers"):
        for name, entry in listing[kind].items():
            with zipfile.ZipFile(listing_path.parent / entry["file"]) as archive:
                archive.extractall(target / kind / name)
    return target


def run_alone(unpacked: Path, function: str, code: str, arguments: Sequence[str] = ()) -> None:
    """Run code with the function and its layers on the path, without site-packages."""
    folders = [unpacked / "functions" / function]
    folders += [unpacked / "layers" / layer / "python" for layer in FUNCTIONS[function]]
    paths = [str(folder) for folder in folders]
    finished = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path[:0] = {paths!r}\n{code}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=unpacked,
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_module_of_a_function_can_be_imported(unpacked: Path, function: str) -> None:
    run_alone(unpacked, function, IMPORT_ALL.format(name=function))


@pytest.mark.parametrize("function", ["embedder", "retrieve"])
def test_embedding_layer_embeds_and_searches(unpacked: Path, function: str) -> None:
    run_alone(unpacked, function, EMBED, [str(ensure_model(repository_root()))])


def test_core_layer_makes_every_client(unpacked: Path) -> None:
    run_alone(unpacked, "ingest", MAKE_CLIENTS, sorted(AWS_SERVICES))


@pytest.mark.parametrize("function", ["ingest", "fetch", "derive"])
@pytest.mark.parametrize("code", [READ_SITES, READ_WIKIS])
def test_sources_layer_reads_sites_and_wikis(unpacked: Path, function: str, code: str) -> None:
    run_alone(unpacked, function, code)


def test_chat_layer_runs_a_graph(unpacked: Path) -> None:
    run_alone(unpacked, "orchestrator", RUN_GRAPH)


def test_listing_says_what_is_there(listing_path: Path) -> None:
    listing = json.loads(listing_path.read_text())
    assert {name: tuple(entry["layers"]) for name, entry in listing["functions"].items()} == dict(
        FUNCTIONS
    )
    for kind in ("functions", "layers"):
        for entry in listing[kind].values():
            assert (listing_path.parent / entry["file"]).stat().st_size == entry["zipped_bytes"]


def test_a_second_build_keeps_the_layers(listing_path: Path) -> None:
    def times() -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in listing_path.parent.glob("layers/*.zip")}

    before = times()
    assert build_bundles("local", repository_root()) == listing_path
    assert times() == before
