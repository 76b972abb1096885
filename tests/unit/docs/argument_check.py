"""Whether modules accept arguments, asked of their own parsers; nothing is done with these.

Standard input holds lists of a module and its arguments, as JSON; standard output gets what is
wrong with each, empty where nothing is. A separate process, because a module that runs as the main
one may change signals and streams.
"""

import argparse
import json
import runpy
import sys
from contextlib import redirect_stderr
from io import StringIO
from typing import Any


class AcceptedError(BaseException):
    """A parser took all arguments: the module shall do nothing more."""


class StoppingParsers:
    """Makes each parser end the program when it has accepted everything."""

    def __init__(self) -> None:
        self._depth = 0
        self._whole = argparse.ArgumentParser.parse_args
        self._known = argparse.ArgumentParser.parse_known_args

    def install(self) -> None:
        for name, parse in (("parse_args", self._whole), ("parse_known_args", self._known)):
            setattr(argparse.ArgumentParser, name, self._stopping(parse))

    def _stopping(self, parse: Any) -> Any:
        def stopping(parser: Any, arguments: Any = None, namespace: Any = None) -> Any:
            self._depth += 1
            try:
                answer = parse(parser, arguments, namespace)
            finally:
                self._depth -= 1
            if self._depth == 0:
                raise AcceptedError
            return answer

        return stopping


def what_is_wrong(module: str, arguments: list[str]) -> str:
    """What the module says of its arguments; empty when it accepts them."""
    sys.argv = [module, *arguments]
    said = StringIO()
    try:
        with redirect_stderr(said):
            runpy.run_module(module, run_name="__main__")
    except AcceptedError:
        return ""
    except ImportError as error:
        return str(error)
    except SystemExit:
        return said.getvalue() or "it ended without an error"
    return "it read no arguments"


if __name__ == "__main__":
    StoppingParsers().install()
    answers = [what_is_wrong(module, rest) for module, *rest in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(answers))
