"""Fuzzes one target with atheris; `tests.fuzz.run` calls it in a child process for each.

    .venv-fuzz/bin/python -m tests.fuzz.one_target TARGET [--without-kept] [-OPTION=VALUE ...]

The options with one dash are those of libFuzzer.

The only module that imports atheris, which is in no other environment.
"""

import hashlib
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import atheris

from tests.fuzz.catalogue import load, seeds
from tests.fuzz.folders import WITHOUT_KEPT, Folders
from tests.fuzz.json_mutation import mutated

# Our code, and the libraries in Python that read the input: their branches guide the fuzzer.
INSTRUMENTED = (
    "shared",
    "services",
    "defusedxml",
    "jmespath",
    "mwparserfromhell",
    "protego",
    "w3lib",
)


def main(arguments: list[str]) -> None:
    name, *options = arguments
    folders = Folders(name)
    folders.make()
    with instrumented_imports():
        target = load(name)
        for data in seeds(name, target):
            write_seed(folders.seeds, data)
            # For what a parser imports at its first call; libFuzzer repeats it, and tells.
            with suppress(Exception):
                target.check(data)
    command = [
        sys.argv[0],
        f"-max_len={target.maximum_bytes}",
        f"-artifact_prefix={folders.failures}/",
        # A seed stays though it reaches no new branch of what is instrumented: pydantic is not.
        "-keep_seed=1",
        *(option for option in options if option != WITHOUT_KEPT),
        str(folders.fresh if WITHOUT_KEPT in options else folders.corpus),
        str(folders.seeds),
    ]
    mutator = {"custom_mutator": mutate_json} if target.is_json else {}
    atheris.Setup(command, target.check, **mutator)
    atheris.Fuzz()


def prepare(names: Iterable[str]) -> None:
    """Import what the targets need, for the copies of this process that fuzz them."""
    # atheris writes a line for each module.
    with instrumented_imports(), redirect_stderr(StringIO()):
        for name in names:
            # The copy for this target imports it again, and fails for it alone.
            with suppress(Exception):
                load(name)


def instrumented_imports() -> AbstractContextManager[object]:
    """What is imported within tells the fuzzer which branches it takes."""
    found: AbstractContextManager[object] = atheris.instrument_imports(
        include=list(INSTRUMENTED), enable_loader_override=False
    )
    return found


def mutate_json(data: bytes, maximum_bytes: int, seed: int) -> bytes:
    """Change a value of a document, or, each third time and in what is none, its bytes."""
    found = mutated(data, seed) if seed % 3 else None
    if found is None or len(found) > maximum_bytes:
        return bytes(atheris.Mutate(data, maximum_bytes))
    return found


def write_seed(folder: Path, data: bytes) -> None:
    (folder / hashlib.sha256(data).hexdigest()[:40]).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
