"""What `make arm64` does: real work and one real event for each function, on an arm64 CPython."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from scripts.arm64.bundles import UnpackedBundles
from scripts.arm64.comparison import TOLERANCE, largest_difference, least_cosine, same_ranking
from scripts.arm64.events import (
    ANSWER_TITLE,
    CORPUS,
    NOTES,
    Line,
    answer_of,
    chat_event,
    invoker,
    retrieve_event,
)
from scripts.arm64.function_process import (
    FunctionError,
    FunctionProcess,
    isolated,
    running_function,
)
from scripts.demo.deployment import Deployment
from scripts.demo.stack import LiveStack, live_stack
from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.model_export.recipes import Precision
from services.cli.deployment.published import PublishedDeployment
from services.cli.stage.stages import STAGES, StageControl
from shared.runs.run_reader import RunReader

# With the embedding layer, which has all four libraries that the work is about.
WORKER_OF_SEARCH = "embedder"


@dataclass(frozen=True)
class Machine:
    """An architecture to run bundles on: the command of its Python, and its bundles."""

    name: str
    interpreter: Sequence[str]
    bundles: UnpackedBundles

    def search_work(self, models: Mapping[Precision, Path], folder: Path) -> "SearchWork":
        """What `search_work.py` finds there with each model.

        Raises:
            FunctionError: it fails.
        """
        folder.mkdir(parents=True)
        command = isolated(
            self.interpreter, self.bundles.import_paths(WORKER_OF_SEARCH), "search_work.py"
        )
        environment = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, str(folder), *map(str, models.values())],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        if done.returncode != 0:
            words = done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
            raise FunctionError(f"the search on {self.name} failed: {words}")
        result = json.loads(done.stdout)
        return SearchWork(
            f"{self.name} ({result['machine']})",
            dict(zip(models, result["models"], strict=True)),
            result["fixed_found"],
        )


@dataclass(frozen=True)
class SearchWork:
    """What one machine found: with a model of each precision, and among fixed vectors."""

    machine: str
    by_precision: Mapping[Precision, Mapping[str, Any]]
    fixed_found: Any


@dataclass(frozen=True)
class SearchComparison:
    """How far two machines are apart; of vectors and scores the largest difference."""

    machines: tuple[str, str]
    vectors: float
    least_cosine: float
    fixed_scores: float
    is_ranking_same: bool


def compare_search(one: SearchWork, other: SearchWork, precision: Precision) -> SearchComparison:
    """How far two machines are apart with the model of a precision."""
    mine, its = one.by_precision[precision], other.by_precision[precision]
    pairs = [*zip(mine["found"], its["found"], strict=True)]
    fixed = [*zip(one.fixed_found, other.fixed_found, strict=True)]
    vectors = largest_difference(mine["vectors"], its["vectors"])
    return SearchComparison(
        machines=(one.machine, other.machine),
        vectors=vectors,
        least_cosine=least_cosine(mine["vectors"], its["vectors"]),
        fixed_scores=largest_difference(
            [[score for _, score in ranked] for ranked, _ in fixed],
            [[score for _, score in ranked] for _, ranked in fixed],
        ),
        is_ranking_same=all(
            same_ranking(left, right, max(TOLERANCE, 2 * vectors)) for left, right in pairs
        )
        and all(same_ranking(left, right) for left, right in fixed),
    )


def answer_events(
    machine: Machine, directory: Path, said: Callable[[str], None]
) -> dict[str, float]:
    """Let every function answer real events on the machine; how far scores are from this one's.

    Raises:
        FunctionError: a function cannot be imported, fails an event, or answers wrongly.
        StackError, LocalProcessError: the stack cannot be brought up.
    """
    with ExitStack() as stack:
        live = stack.enter_context(live_stack(directory / "stack", _variables))
        clients = _clients(live.deployment)
        _put_notes(clients("s3"), live.outputs.bucket_name)
        published = PublishedDeployment.read(clients("ssm"), live.outputs.name_prefix)
        control = StageControl(clients("lambda"), clients("sqs"), published)
        for stage in STAGES.values():
            control.switch(stage, is_on=False)
        functions = stack.enter_context(_functions(machine, live, clients, directory, said))
        line = Line(
            clients("sqs"),
            live.outputs.queue_urls,
            RunReader(clients("dynamodb"), live.outputs.checkpoint_table),
            invoker(functions),
        )
        line.ingest()
        functions["compactor"].invoke({"maintain": {"corpus": CORPUS}})
        said("a corpus went from ingest to the index, and through maintenance")
        return _ask(functions, clients("lambda"), live.outputs.function_names)


def _variables(_: Deployment) -> dict[str, Any]:
    source = {"kind": "jsonl", "prefix": "sources/letters/"}
    mapping = {"entity_type": "note"}
    return {
        "retry_delay_seconds": 0,
        "default_corpus": CORPUS,
        "corpora": {CORPUS: {"source": source, "mapping": mapping}},
    }


def _clients(deployment: Deployment) -> Callable[[str], Any]:
    session: Any = boto3.Session(
        aws_access_key_id=ACCOUNT_ID, aws_secret_access_key=ACCOUNT_ID, region_name=REGION
    )
    return lambda service: session.client(service, endpoint_url=deployment.endpoint_url)


def _put_notes(s3: Any, bucket: str) -> None:
    for note, (title, text) in NOTES.items():
        body = json.dumps({"id": note, "title": title, "text": text}).encode()
        s3.put_object(Bucket=bucket, Key=f"sources/letters/{note}.jsonl", Body=body)


@contextmanager
def _functions(
    machine: Machine,
    live: LiveStack,
    clients: Callable[[str], Any],
    directory: Path,
    said: Callable[[str], None],
) -> Iterator[Mapping[str, FunctionProcess]]:
    """Every function of the stack as a process on the machine, its handler imported."""
    with ExitStack() as stack:
        running = {}
        for name, function_name in live.outputs.function_names.items():
            configuration = clients("lambda").get_function_configuration(FunctionName=function_name)
            work = directory / "work" / name
            environment = _environment(live.deployment, configuration, work)
            paths = machine.bundles.import_paths(name)
            running[name] = stack.enter_context(
                running_function(name, machine.interpreter, paths, environment, work)
            )
            # The next is started after it, and finds the bytecode of their common layers.
            said(f"{name} is imported on {running[name].wait_until_ready()}")
        yield running


def _environment(
    deployment: Deployment, configuration: Mapping[str, Any], work: Path
) -> dict[str, str]:
    """What Lambda would set for the function, with its own writable folders."""
    given = dict(configuration["Environment"]["Variables"])
    folders = {
        name: str(work / name.lower()) for name in ("MODEL_DIR", "WORK_DIR") if name in given
    }
    return {
        **given,
        **folders,
        **deployment.aws_environment(),
        "AWS_LAMBDA_FUNCTION_NAME": configuration["FunctionName"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration["MemorySize"]),
        "ULTRON_FUNCTION_ARN": configuration["FunctionArn"],
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        "TMPDIR": str(work),
    }


def _ask(
    functions: Mapping[str, FunctionProcess], client: Any, names: Mapping[str, str]
) -> dict[str, float]:
    """Ask the same of the function under test and of this machine's, over the same index."""
    event = retrieve_event()
    answered = client.invoke(FunctionName=names["retrieve"], Payload=json.dumps(event).encode())
    here = answer_of("retrieve", json.loads(answered["Payload"].read()))["results"]
    there = answer_of("retrieve", functions["retrieve"].invoke(event))["results"]
    if not there or there[0]["meta"]["title"] != ANSWER_TITLE:
        raise FunctionError(f"retrieve answered with other chunks than it should: {there}")
    if [hit["id"] for hit in here] != [hit["id"] for hit in there]:
        raise FunctionError(f"the architectures rank differently: {here} and {there}")
    chat = answer_of("orchestrator", functions["orchestrator"].invoke(chat_event()))
    if not chat["citations"]:
        raise FunctionError(f"the orchestrator cites nothing: {chat}")
    scores = zip(here, there, strict=True)
    return {mine["id"]: abs(mine["score"] - its["score"]) for mine, its in scores}
