"""A stack that an earlier commit deployed and filled, taken over by the present one."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.build_model import ensure_model
from scripts.demo.answers import RETRIEVE_QUERIES
from scripts.demo.deployment import GATEWAY_PORT_VARIABLE, ROOT, Deployment
from scripts.demo.stack import Built, LiveStack, build, deploy, destroy
from scripts.demo.variables import MARVEL_CORPUS, local_variables
from scripts.environments import ENVIRONMENTS, fingerprint, interpreter
from scripts.local_aws.server import PORT_VARIABLE
from scripts.processes.ports import free_port, is_port_free
from services.cli.deployment.outputs import Deployment as Outputs
from shared.index.manifest.generations import present_manifests
from shared.models.manifest import Manifest
from tests.e2e.conftest import make_client
from tests.e2e.stack import Stack

COMMIT_VARIABLE = "ULTRON_UPGRADE_FROM"
KEPT_PREFIXES = ("indexes/", "embeddings/", "chunks/", "derived/", "raw/")
PORT_ATTEMPTS = 3
_NEEDED = ("development", "local-aws")
# Each is kept under a digest of what it is made from: a commit makes what it makes otherwise.
_BUILT = ("local/layers", "models", "wheels")

Ranking = list[tuple[str, float]]


@dataclass(frozen=True)
class Holdings:
    """What a stack has: etags by key, the indexes, and the answers to some questions."""

    objects: Mapping[str, str]
    manifests: list[Manifest]
    answers: Mapping[str, Ranking]

    @property
    def vectors(self) -> int:
        """How many vectors the indexes hold."""
        return sum(shard.vectors for manifest in self.manifests for shard in manifest.shards)

    def under(self, *prefixes: str) -> dict[str, str]:
        """The objects below some prefixes."""
        return {key: etag for key, etag in self.objects.items() if key.startswith(prefixes)}


@dataclass
class Upgrade:
    """The stack, first of the former commit and then of this one; `before` is what it held."""

    deployment: Deployment
    stack: Stack
    before: Holdings
    built: Built

    def apply(self, models: list[Path], **variables: Any) -> None:
        """Apply the present configuration, with the first of these models as the default."""
        others = [str(folder) for folder in models[1:]]
        changes = {"additional_model_directories": others, **variables}
        bundles = self.built.bundle_directory
        outputs = deploy(
            self.deployment, local_variables(self.deployment, bundles, models[0], changes)
        )
        self.stack = stack_of(self.deployment, outputs)


def stack_of(deployment: Deployment, outputs: Outputs) -> Stack:
    """The stack as the tests see it."""
    client = partial(make_client, deployment)
    return Stack(
        outputs=outputs.model_dump(),
        deployment=deployment,
        api_url=LiveStack(deployment, outputs).api_url,
        gateway_url=deployment.gateway_url,
        s3=client("s3"),
        sqs=client("sqs"),
        dynamodb=client("dynamodb"),
        lambdas=client("lambda"),
    )


def holdings(stack: Stack) -> Holdings:
    """What the stack has now."""
    return Holdings(
        {found.key: found.etag for prefix in KEPT_PREFIXES for found in stack.store.list(prefix)},
        present_manifests(stack.store, MARVEL_CORPUS),
        {query: ranking(stack, query) for query in RETRIEVE_QUERIES},
    )


# Ranked by the vectors alone, which an upgrade must not change; releases may rank words otherwise.
# Earlier ones count passages, of which several may be of one entity.
BY_VECTOR = {"k": "20", "mode": "dense"}


def ranking(stack: Stack, query: str) -> Ranking:
    """The first entities of an answer, and their scores."""
    answer = stack.retrieve(query, **BY_VECTOR)
    assert answer.status == 200, answer.body
    return ranked_entities(answer.body)


def ranked_entities(body: dict[str, Any]) -> Ranking:
    """The first five entities of an answer, each with the score of its best passage."""
    best: dict[str, float] = {}
    for result in body["results"]:
        best.setdefault(f"{result['meta']['entity']}:{result['meta']['id']}", result["score"])
    return list(best.items())[:5]


def unpack(commit: str, directory: Path) -> None:
    """Put the files of a commit into a folder."""
    archive = directory.with_suffix(".tar")
    command = ["git", "-C", str(ROOT), "archive", f"--output={archive}", commit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(
            f"{COMMIT_VARIABLE}={commit} is no commit that this clone has "
            f"({done.stderr.strip()}); name one, or fetch more of the history"
        )
    with tarfile.open(archive) as packed:
        # The first releases of Python 3.11 know no filter; the archive is our own.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        packed.extractall(directory)


def equip(root: Path) -> None:
    """Give an older checkout its environments: ours where it wants the same, else its own."""
    for name in _NEEDED:
        environment = ENVIRONMENTS[name]
        if fingerprint(environment, root) == fingerprint(environment, ROOT):
            (root / environment.directory).symlink_to(ROOT / environment.directory)
        else:
            # By its own script, as its files of requirements may be of another form.
            script = root / "scripts" / "environments.py"
            subprocess.run([sys.executable, str(script), name], check=True, cwd=root)
    weights = ROOT / ".local" / "models"
    weights.mkdir(parents=True, exist_ok=True)
    (root / ".local").mkdir(exist_ok=True)  # an environment that was made has its lock there
    (root / ".local" / "models").symlink_to(weights)  # pinned by their sha256
    for built in _BUILT:
        if (ROOT / "build" / built).is_dir():
            shutil.copytree(ROOT / "build" / built, root / "build" / built)


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The demo of the former commit: deployed, ingested, and left running."""
    root = tmp_path_factory.mktemp("upgrade") / "before"
    unpack(os.environ.get(COMMIT_VARIABLE) or "HEAD~1", root)
    equip(root)
    command = [str(interpreter("development", root)), "-m", "scripts.demo"]
    present = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    # An older demo knows no port but the one that it is told.
    for attempt in range(PORT_ATTEMPTS):
        ports = {PORT_VARIABLE: free_port(), GATEWAY_PORT_VARIABLE: free_port()}
        environment = present | {name: str(port) for name, port in ports.items()}
        up = subprocess.run([*command, "up"], cwd=root, env=environment, check=False, timeout=900)
        is_port_lost = up.returncode != 0 and not all(map(is_port_free, ports.values()))
        if not is_port_lost or attempt == PORT_ATTEMPTS - 1:
            break
    try:
        assert up.returncode == 0, f"the demo of the former commit ended with {up.returncode}"
        endpoint, gateway = (f"http://127.0.0.1:{port}" for port in ports.values())
        log_path = root / ".local" / "demo" / "aws" / "log.txt"
        yield Deployment(root / ".local" / "demo", endpoint, gateway, log_path=log_path)
    finally:
        subprocess.run([*command, "down"], cwd=root, env=environment, check=True, timeout=300)
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def upgrade(former: Deployment) -> Iterator[Upgrade]:
    """The former stack after the present `apply`; destroyed by the present configuration."""
    printed = former.outputs_path.read_text(encoding="utf-8")
    stack = stack_of(former, Outputs.parse(printed, "outputs of the former commit"))
    before = holdings(stack)
    upgrade = Upgrade(former, stack, before, build())
    upgrade.apply([upgrade.built.model_directory])
    yield upgrade
    destroy(former)


@pytest.fixture(scope="module")
def other_model() -> Path:
    """The model in full precision, which has another id."""
    return ensure_model(ROOT, precision="fp32")
