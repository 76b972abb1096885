"""A function as a process: only its bundle on the path, one sentence for whatever is wrong."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from scripts.arm64.function_process import FunctionError, FunctionProcess, running_function

ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "ultron-echo",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "ULTRON_FUNCTION_ARN": "arn:aws:lambda:us-east-1:000000000000:function:ultron-echo",
}
ECHO = """
print("printed while it is imported")
def handler(event, context):
    print("printed by the function")
    left = context.get_remaining_time_in_millis()
    return {"event": event, "name": context.function_name, "has_time": left > 0}
"""


@pytest.fixture
def zip_folder(tmp_path: Path) -> Path:
    """An unpacked function of the name `echo`."""
    (tmp_path / "zip" / "services" / "echo").mkdir(parents=True)
    return tmp_path / "zip"


def start(zip_folder: Path, code: str) -> AbstractContextManager[FunctionProcess]:
    (zip_folder / "services" / "echo" / "handler.py").write_text(code)
    work = zip_folder.parent / "work"
    return running_function("echo", [sys.executable], [str(zip_folder)], ENVIRONMENT, work)


@pytest.fixture
def echo(zip_folder: Path) -> Iterator[FunctionProcess]:
    with start(zip_folder, ECHO) as function:
        yield function


def test_it_answers_events_whatever_it_prints(echo: FunctionProcess) -> None:
    assert echo.wait_until_ready() == os.uname().machine
    for number in (1, 2):
        answer = {"event": {"n": number}, "name": "ultron-echo", "has_time": True}
        assert echo.invoke({"n": number}) == answer


def test_what_the_bundle_lacks_is_named(zip_folder: Path) -> None:
    # Installed here, so only a path with nothing but the bundle shows that it lacks.
    with (
        start(zip_folder, "import pydantic\n") as function,
        pytest.raises(FunctionError, match=r"the bundle of echo lacks the module pydantic: name"),
    ):
        function.wait_until_ready()


def test_what_lacks_only_once_an_event_comes_is_named_too(zip_folder: Path) -> None:
    code = "def handler(event, context):\n    import numpy.linalg\n"
    with start(zip_folder, code) as function:
        function.wait_until_ready()
        with pytest.raises(FunctionError, match="the bundle of echo lacks the module numpy"):
            function.invoke({})


def test_an_error_of_the_function_is_told_and_the_next_event_answered(zip_folder: Path) -> None:
    code = "def handler(event, context):\n    return 1 // event['by']\n"
    with start(zip_folder, code) as function:
        function.wait_until_ready()
        with pytest.raises(FunctionError, match="echo could not answer an event: ZeroDivision"):
            function.invoke({"by": 0})
        assert function.invoke({"by": 1}) == 1


def test_a_process_that_ends_says_its_last_words(zip_folder: Path) -> None:
    code = (
        "import os\ndef handler(event, context):\n    print('alas', flush=True)\n    os._exit(9)\n"
    )
    with start(zip_folder, code) as function:
        function.wait_until_ready()
        with pytest.raises(FunctionError, match=r"ended with status 9 .*: alas"):
            function.invoke({})
        with pytest.raises(FunctionError, match="ended with status 9"):
            function.invoke({})


def test_a_function_without_a_handler_is_told(zip_folder: Path) -> None:
    with (
        start(zip_folder, "") as function,
        pytest.raises(FunctionError, match="echo could not be imported: AttributeError"),
    ):
        function.wait_until_ready()
