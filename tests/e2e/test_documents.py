"""The pages of docs: their commands do and print what the pages show."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from scripts.demo.deployment import ROOT
from scripts.environments import interpreter
from scripts.terraform_tooling import terraform_command
from shared.models.run import RunProgress
from tests.e2e.document_commands import PageCommand, commands_of, differences, script_of
from tests.e2e.stack import Stack

MARKER = "== ended with"
TIMEOUT_SECONDS = 600
# It needs a checkout and no deployment: tests/integration/cli/test_wheel.py runs it.
OF_A_CHECKOUT = "install-the-command.md"
# The page of all commands: each has an example, and those of this kind change nothing.
REFERENCE = ROOT / "docs/reference/command.md"
READING = (
    "corpus list", "corpus show", "run list", "run show", "run gaps", "run watch", "stage list",
    "dlq list", "dlq show", "retrieve", "chat", "index list", "index shards", "index recall",
)  # fmt: skip
# Of examples that name a run or a message which no deployment has.
NOT_FOUND_STATUS = 3
_OF_NO_DEPLOYMENT = re.compile(r"20261123T|3f2a9c1e-")
_PAUSED = re.compile(r"ultron stage pause (\w+)")
_READING_EXAMPLE = re.compile(rf"^ultron (?:{'|'.join(READING)})\b.*$", re.M)


# Does with `ultron` what `script_of` does with a shell; each start of it would take a second.
IN_ONE_PROCESS = """
import shlex, sys
from services.cli.main import main
sys.stderr = sys.stdout
for example in sys.argv[2:]:
    status = main(shlex.split(example)[1:])
    print(f"\\n{sys.argv[1]} {status}", flush=True)
"""


def commands_on(page: Path) -> list[PageCommand]:
    """The commands of a page that are run on the deployment."""
    text = page.read_text(encoding="utf-8")
    if page != REFERENCE:
        return commands_of(text)
    return [
        PageCommand(
            example[0],
            text.count("\n", 0, example.start()) + 1,
            exit_status=NOT_FOUND_STATUS if _OF_NO_DEPLOYMENT.search(example[0]) else 0,
        )
        for example in _READING_EXAMPLE.finditer(text)
    ]


PAGES = [
    page
    for folder in ("start", "how-to", "reference", "why")
    for page in sorted((ROOT / "docs" / folder).glob("*.md"))
    if page.name != OF_A_CHECKOUT and commands_on(page)
]


def shell_environment(stack: Stack, programs: list[str], folder: Path) -> dict[str, str]:
    """The shell of a user who followed "The shell" of docs/start/own-data.md."""
    certificate = stack.deployment.certificate
    trusting = ("SSL_CERT_FILE", "CURL_CA_BUNDLE") if certificate else ()
    return {
        **stack.deployment.aws_environment(),
        **{name: str(certificate) for name in trusting},
        "PATH": os.pathsep.join(programs),
        # `.venv` may be that of another checkout; the code is this one's.
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "ULTRON_OUTPUTS": str(stack.deployment.outputs_path),
        "API_URL": stack.api_url,
        "API_KEY": stack.outputs["api_key"],
        "BUCKET": stack.outputs["bucket_name"],
        # In `terraform/` a user has the state of the deployment.
        "TF_CLI_ARGS_output": f"-state={stack.deployment.state_path}",
    }


def folders_of_programs(folder: Path) -> list[str]:
    """Where a shell finds programs; `terraform` is one also where OpenTofu stands in for it."""
    (folder / "terraform").symlink_to(terraform_command())
    (folder / "aws").symlink_to(interpreter("local-aws").with_name("aws"))
    return [str(Path(sys.executable).parent), str(folder), os.environ["PATH"]]


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """What a program printed, to its end or to that of its time."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="backslashreplace")
    return done.stdout.decode(errors="backslashreplace")


# On LocalStack the last command of this page would wait for ever.
NOT_CARRIED = {"keys": pytest.mark.localstack_defect("deleted_keys_are_accepted")}


def page_parameters() -> list[ParameterSet]:
    return [
        pytest.param(page, id=page.stem, marks=NOT_CARRIED.get(page.stem, ())) for page in PAGES
    ]


def pages_to_run(request: pytest.FixtureRequest) -> list[Path]:
    """The pages of the tests that are run."""
    name = test_the_commands_of_a_page_do_what_it_shows.__name__
    return [
        Path(str(item.callspec.params["page"]))
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == name
        and item.get_closest_marker("skip") is None
    ]


@pytest.fixture(scope="module")
def shells(
    request: pytest.FixtureRequest,
    stack: Stack,
    marvel_run: RunProgress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[Path, "Future[str]"]]:
    """The shells of all pages, side by side: each waits for its own corpora most of the time."""

    def printed_by(page: Path) -> str:
        folder = tmp_path_factory.mktemp(page.stem)
        environment = shell_environment(stack, programs, folder)
        commands = commands_on(page)
        if page == REFERENCE:
            examples = [command.text for command in commands]
            program = [sys.executable, "-c", IN_ONE_PROCESS, MARKER, *examples]
        else:
            program = ["bash", "-c", script_of(commands, MARKER)]
        try:
            return run(program, environment, folder)
        finally:  # a page that ended early left it paused, and all others would wait
            for command in commands:
                if paused := _PAUSED.match(command.text):
                    stack.command("stage", "resume", paused[1])

    programs = folders_of_programs(tmp_path_factory.mktemp("programs"))
    with ThreadPoolExecutor(len(PAGES)) as pool:
        yield {page: pool.submit(printed_by, page) for page in pages_to_run(request)}


@pytest.mark.parametrize("page", page_parameters())
def test_the_commands_of_a_page_do_what_it_shows(
    shells: Mapping[Path, "Future[str]"], page: Path
) -> None:
    wrong = differences(page.name, commands_on(page), shells[page].result(), MARKER)
    assert not wrong, "\n\n".join(wrong)


def test_the_answer_that_the_readme_shows_is_the_deployments(
    stack: Stack, marvel_run: RunProgress
) -> None:
    question = "Who created Ultron?"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition(f"$ ultron chat '{question}'\n")[2].partition("\n  [1] ")[0]
    answer = " ".join(shown.split()).removesuffix("…").strip()
    assert answer
    assert stack.chat(question).body["answer"].startswith(answer)
