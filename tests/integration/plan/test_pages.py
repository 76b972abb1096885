"""The blocks of `sh` of all pages: each command is run as written, in the order of its page.

They are run on one deployment, which the first page makes and its last block destroys. What cannot
be run is in the two tables. The `console` blocks are run by tests/e2e/test_documents.py.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from scripts.demo.deployment import ROOT
from scripts.processes.process import BackgroundServer
from services.cli.deployment.outputs import Deployment as Outputs
from tests.integration.plan.checkout import ACCOUNT_ID, Checkout, blocks_of
from tests.unit.docs.makefile import Makefile
from tests.unit.docs.named_commands import commands_of_line, named_commands

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Commands that CI runs anyway: the targets of .ci/run that do so.
BY_CI = {
    "make bundles TARGET=aws": ("arm64",),  # and runs them there: here they would not run
    "make check": ("lint", "type-check", "unit"),
    "make demo": ("upgrade-drill",),  # that of the commit before
    "make environments": ("environments",),
    "make fuzz": ("fuzz",),
    "make fuzz FUZZ_EXECUTIONS=1000": ("fuzz",),
    "make localstack-e2e": ("localstack-e2e",),
    "make simulate": ("simulate",),
    "make test": ("lint", "type-check", "unit", "integration", "terraform-check", "e2e-auth"),
}
# Commands that no test runs, and why.
BY_NOBODY = {
    "git pull": "the copy has no other repository",
    "make e2e ENDPOINT=http://localhost:4566": "needs the LocalStack of the command before it",
    "make fuzz FUZZ_SECONDS=600 FUZZ_TARGETS=graph csv": "20 minutes",
    "make localstack-down": "needs Docker",
    "make localstack-up": "needs Docker",
    "make locked": "asks PyPI for every release, and writes into the checkout",
    "make locked LOCK_OPTIONS=--upgrade-package sympy": "as the one before",
    "make mutants MUTANT_OPTIONS=--noticed": "minutes on each of two cores",
    "make mutants MUTANT_OPTIONS=--seeds 200 --tests": "hours",
    "make simulate SEEDS=100 FIRST_SEED=5000": "a minute, as `make simulate` with other seeds",
    "terraform providers lock -fs-mirror=/path/of/the/mirror -platform=linux_arm64": (
        "needs a mirror with the provider for another platform"
    ),
}
# Targets that pages name in sentences only, and that neither CI nor a block runs.
NAMED_ONLY = {
    **dict.fromkeys(
        ("bench", "bench-compaction", "bench-embed", "bench-latency", "bench-load",
         "bench-pipeline", "bench-quality", "bench-search"),
        "minutes to hours; tests/unit/benchmarks",
    ),
    "parity-packages": "fetches 160 MB; a change of a recipe asks for it",
    "down": "the upgrade drill runs `scripts.demo down`",
}  # fmt: skip

FIRST = ROOT / "docs/start/aws.md"
SHARED_STATE = ROOT / "docs/how-to/share-the-state.md"  # it needs a separate state
KEYS = ROOT / "docs/reference/settings.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "terraform/README.md"])
# The examples of the reference of commands are run by tests/e2e/test_documents.py, or read only.
PAGES = [
    page
    for page in DOCUMENTS
    if blocks_of(page) and page not in (FIRST, SHARED_STATE) and page.name != "command.md"
]
# A part of `scripts.side_by_side`, with its deadline.
_PART = re.compile(r"[\s=]([a-z0-9-]+):\d+")
STATE_BUCKET = "example-terraform-state"
STATE_KEY = "ultron/terraform.tfstate"


@pytest.fixture(scope="module")
def checkout(local_aws: BackgroundServer, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The copy, with a corpus of Marvel too: a page fills its secret."""
    folder = tmp_path_factory.mktemp("pages")
    checkout = Checkout(folder, local_aws.url, [*BY_CI, *BY_NOBODY])
    checkout.add_bundles()
    example = checkout.terraform / "terraform.tfvars.example"
    text = example.read_text(encoding="utf-8")
    begin = text.index("  # marvel = {")
    end = text.index("\n\n", begin)
    marvel = text[begin:end].replace("  # ", "  ")
    example.write_text(text[:begin] + marvel + text[end:], encoding="utf-8")
    machine = json.loads((checkout.folder / "build/aws/bundles.json").read_text("utf-8"))
    (checkout.terraform / "machine.auto.tfvars.json").write_text(
        json.dumps({"architecture": machine["architecture"]}), encoding="utf-8"
    )
    (checkout.home / ".config/ultron").mkdir(parents=True)
    [exports] = [block for block in blocks_of(KEYS, "") if "MARVEL_PUBLIC_KEY" in block]
    (checkout.home / ".config/ultron/marvel.env").write_text(exports, encoding="utf-8")
    return checkout


def test_the_way_to_aws_makes_a_deployment_and_runs_its_corpus(checkout: Checkout) -> None:
    *blocks, _ = blocks_of(FIRST)
    done = checkout.run("".join(blocks))
    assert done.returncode == 0, done.stdout
    assert f"account  {ACCOUNT_ID}\nregion   eu-west-1\n" in done.stdout
    assert re.search(r"Apply complete! Resources: \d{3} added, 0 changed, 0 destroyed", done.stdout)
    assert re.search(r"ended succeeded|^succeeded ", done.stdout, re.M), done.stdout
    assert '"Name": "ultron/sources/marvel"' in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_its_order(checkout: Checkout, page: Path) -> None:
    done = checkout.run("".join(blocks_of(page)), **variables_of(checkout))
    assert done.returncode == 0, done.stdout
    if page.name == "upgrade.md":
        assert "Apply complete! Resources: 0 added, 0 changed, 0 destroyed." in done.stdout


def variables_of(checkout: Checkout) -> dict[str, str]:
    """The shell of who went the way to AWS, and then through "The shell" of own-data.md."""
    outputs = Outputs.parse((checkout.folder / "outputs.json").read_text("utf-8"), "outputs.json")
    return {"AWS_DEFAULT_REGION": outputs.region, "BUCKET": outputs.bucket_name}


def test_a_destroy_leaves_what_is_to_be_kept(
    checkout: Checkout, local_aws: BackgroundServer
) -> None:
    done = checkout.run(blocks_of(FIRST)[-1], **variables_of(checkout))
    errors = re.findall(r"Error: (.*?)$", done.stdout, re.M)
    assert len(errors) == 2, done.stdout
    assert "BucketNotEmpty" in done.stdout
    assert "deletion protection" in done.stdout
    bucket = variables_of(checkout)["BUCKET"]
    kept = client_of_the_account(local_aws).list_objects_v2(Bucket=bucket)["Contents"]
    assert {found["Key"] for found in kept} >= {
        "sources/handbook/articles.jsonl", "sources/marvel-2025/characters/0001.jsonl",
    }  # fmt: skip


def commands_in_blocks() -> set[str]:
    """All commands of the blocks of `sh`, their words with one blank between."""
    return {
        " ".join(words)
        for page in DOCUMENTS
        for block in blocks_of(page)
        for line in block.splitlines()
        for words in commands_of_line(line)
    }


def test_each_command_that_is_not_run_is_on_a_page_and_in_one_table() -> None:
    assert set(BY_CI) | set(BY_NOBODY) <= commands_in_blocks()
    assert not set(BY_CI) & set(BY_NOBODY)


def targets_of_ci() -> set[str]:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    by_themselves = re.findall(r"\bmake ([a-z ]+)$", script, re.M)
    return set(_PART.findall(script)) | {name for line in by_themselves for name in line.split()}


def test_ci_runs_what_is_left_to_it() -> None:
    assert {target for targets in BY_CI.values() for target in targets} <= targets_of_ci()
    recipes = Makefile.parse((ROOT / "Makefile").read_text(encoding="utf-8")).recipes
    for target in ("check", "test"):
        of_ci = {"e2e" if part == "e2e-auth" else part for part in BY_CI[f"make {target}"]}
        assert set(_PART.findall(recipes[target])) == of_ci
    assert "pytest tests/e2e " in recipes["e2e-auth"]


def test_each_target_that_a_page_names_is_run_or_listed() -> None:
    in_blocks = {command for command in commands_in_blocks() if command.startswith("make ")}
    named = {
        word
        for document in DOCUMENTS
        for command in named_commands(document.read_text(encoding="utf-8"))
        if command.program == "make"
        for word in command.words[1:]
        if "=" not in word
    }
    of_blocks = {command.split()[1] for command in in_blocks}
    assert named - of_blocks - targets_of_ci() == set(NAMED_ONLY)


STATE: dict[str, Any] = {
    "version": 4, "terraform_version": "1.9.0", "serial": 7, "lineage": "example", "resources": [],
    "outputs": {"api_url": {"value": "https://api.example", "type": "string"}},
}  # fmt: skip


def test_a_state_is_moved_to_the_bucket_and_locked_there(
    local_aws: BackgroundServer, tmp_path: Path
) -> None:
    checkout = Checkout(tmp_path, local_aws.url, [])
    [block], [backend] = blocks_of(SHARED_STATE), blocks_of(SHARED_STATE, "hcl")
    (checkout.terraform / "backend.tf").write_text(backend, encoding="utf-8")
    (checkout.terraform / "terraform.tfstate").write_text(json.dumps(STATE), encoding="utf-8")
    s3 = client_of_the_account(local_aws)
    s3.create_bucket(
        Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    s3.put_object(Bucket=STATE_BUCKET, Key=f"{STATE_KEY}.tflock", Body=b"{}")
    here = {
        "AWS_ENDPOINT_URL_S3": local_aws.url, "AWS_ENDPOINT_URL_STS": local_aws.url,
        "TF_CLI_ARGS_init": "-no-color -backend-config=use_path_style=true",
        "TF_INPUT": "1",
    }  # fmt: skip

    refused = checkout.run(block, **here)
    assert refused.returncode != 0
    assert "Error acquiring the state lock" in refused.stdout

    s3.delete_object(Bucket=STATE_BUCKET, Key=f"{STATE_KEY}.tflock")
    moved = checkout.run(block, **here)
    assert moved.returncode == 0, moved.stdout
    kept = json.loads(s3.get_object(Bucket=STATE_BUCKET, Key=STATE_KEY)["Body"].read())
    assert kept["outputs"] == STATE["outputs"]
    listed = s3.list_objects_v2(Bucket=STATE_BUCKET)["Contents"]
    assert [found["Key"] for found in listed] == [STATE_KEY], "the lock is given back"


def client_of_the_account(local_aws: BackgroundServer) -> "S3Client":
    client: S3Client = boto3.client(
        "s3", endpoint_url=local_aws.url, aws_access_key_id=ACCOUNT_ID,
        aws_secret_access_key="test", region_name="eu-west-1",
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    return client
