"""Functions that run as processes of an interpreter, seen from outside."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
_LAST_LINES = 15
# Where it takes events, and where it answers.
Pipes = tuple[IO[str], IO[str]]


class FunctionError(Exception):
    """A function cannot be imported or answers with an error; the message is one sentence."""


class FunctionProcess:
    """One function with only its bundle on the path; made by `running_function`."""

    def __init__(
        self, name: str, process: "subprocess.Popen[str]", pipes: Pipes, log: Path
    ) -> None:
        """Take over a process that has just been started, and both ends of it."""
        self.name = name
        self._process = process
        self._events, self._answers = pipes
        self._log = log

    def wait_until_ready(self) -> str:
        """Wait until the handler is imported; the machine that it runs on.

        Raises:
            FunctionError: it cannot be imported.
        """
        return str(self._read("be imported")["ready"])

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the handler answers to an event.

        Raises:
            FunctionError: it raised.
        """
        # Where it has ended, reading says so, with its last words.
        with suppress(BrokenPipeError):
            self._events.write(json.dumps({"event": event}) + "\n")
            self._events.flush()
        return self._read("answer an event")["answer"]

    def _read(self, purpose: str) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            status = self._process.wait()
            raise FunctionError(
                f"{self.name} ended with status {status} when it was to {purpose}: {self._words()}"
            )
        document: dict[str, Any] = json.loads(line)
        if document.get("module"):
            raise FunctionError(
                f"the bundle of {self.name} lacks the module {document['module']}: name it in "
                f"requirements/ for one of its layers ({document['error']})"
            )
        if "error" in document:
            raise FunctionError(f"{self.name} could not {purpose}: {document['error']}")
        return document

    def _words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " | ".join(lines[-_LAST_LINES:]) or "it said nothing"


@contextmanager
def running_function(
    name: str,
    interpreter: Sequence[str],
    import_paths: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
) -> Iterator[FunctionProcess]:
    """A function as a process for the block.

    Args:
        name: of the folder below `services/`.
        interpreter: the command of a Python, an emulator before it maybe.
        import_paths: its zip and layers, unpacked.
        environment: all of its environment.
        directory: where it is started, and its log is kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{name}.log"
    command = [*isolated(interpreter, import_paths, "function_worker.py")]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [*command, f"services.{name}.handler.handler"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            cwd=directory,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("a process was started without the pipes that were asked for")
            yield FunctionProcess(name, process, (process.stdin, process.stdout), log)
        finally:
            # Between two events it has nothing to lose, and after a failure nothing to finish.
            process.kill()
            with suppress(BrokenPipeError):
                process.communicate()


def isolated(interpreter: Sequence[str], import_paths: Sequence[str], script: str) -> list[str]:
    """The command that runs a script of this folder with only these folders on the path."""
    runner = str(HERE / "run_isolated.py")
    return [*interpreter, "-I", "-S", runner, json.dumps(list(import_paths)), str(HERE / script)]
