"""The pages of docs/start and docs/how-to: their commands do and print what the pages show."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.demo.deployment import ROOT
from shared.models.run import RunProgress
from tests.e2e.document_commands import commands_of, outcomes_in, script_of
from tests.e2e.stack import Stack

MARKER = "== ended with"
TIMEOUT_SECONDS = 600
PAGES = [
    page
    for folder in ("start", "how-to")
    for page in sorted((ROOT / "docs" / folder).glob("*.md"))
    if commands_of(page.read_text(encoding="utf-8"))
]


def shell_environment(stack: Stack, folder: Path) -> dict[str, str]:
    """The shell of a user who followed "The shell" of docs/start/own-data.md."""
    certificate = stack.deployment.certificate
    trusting = ("SSL_CERT_FILE", "CURL_CA_BUNDLE") if certificate else ()
    return {
        **stack.deployment.aws_environment(),
        **{name: str(certificate) for name in trusting},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
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
    }


def run(script: str, environment: dict[str, str], folder: Path) -> str:
    """What a script printed, to its end or to that of its time."""
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="backslashreplace")
    return done.stdout.decode(errors="backslashreplace")


@pytest.fixture(scope="module")
def shells(
    stack: Stack, marvel_run: RunProgress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Path, "Future[str]"]]:
    """The shells of all pages, side by side: each waits for its own corpora most of the time."""

    def printed_by(page: Path) -> str:
        folder = tmp_path_factory.mktemp(page.stem)
        script = script_of(commands_of(page.read_text(encoding="utf-8")), MARKER)
        return run(script, shell_environment(stack, folder), folder)

    with ThreadPoolExecutor(len(PAGES)) as pool:
        yield {page: pool.submit(printed_by, page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_page_do_what_it_shows(
    shells: Mapping[Path, "Future[str]"], page: Path
) -> None:
    commands = commands_of(page.read_text(encoding="utf-8"))
    printed = shells[page].result()
    outcomes = outcomes_in(printed, MARKER)
    wrong = [
        f"{page.name}, line {command.line_number}: {difference}\n"
        f"$ {command.text}\n{outcome.printed}"
        for command, outcome in zip(commands, outcomes, strict=False)
        if (difference := command.difference(outcome.printed, outcome.exit_status))
    ]
    assert not wrong, "\n\n".join(wrong)
    assert len(outcomes) == len(commands), f"the shell ended early:\n{printed}"
