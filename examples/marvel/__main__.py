"""The command line: `python -m examples.marvel --help`."""

import argparse
import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from examples.marvel.archive import load_archive
from examples.marvel.catalog.authored import CorpusError
from examples.marvel.catalog.expansion import demo_catalog
from examples.marvel.credentials import KeyPair
from examples.marvel.faults import Fault
from examples.marvel.gateway import (
    DEMO_ATTRIBUTION,
    MARVEL_ATTRIBUTION,
    Gateway,
    GatewayOptions,
)
from examples.marvel.limits import RateLimits
from examples.marvel.server import DEFAULT_PORT, GatewayServer
from shared.platform.command_line import complain, run_command

_OPTION_OF_FIELD = {
    "throttle_after": "--throttle-after",
    "throttle_window_seconds": "--throttle-window-seconds",
    "daily_limit": "--daily-limit",
    "match": "--fail-once",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    parser = _parser()
    settings = parser.parse_args(arguments)
    try:
        options = _options(settings)
        catalog = load_archive(settings.data) if settings.data else demo_catalog()
        server = GatewayServer(
            Gateway(catalog, options), settings.host, settings.port, settings.verbose
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = _OPTION_OF_FIELD[str(first["loc"][0])]
        return _fail(f"{option} {first['input']!r}: {first['msg']}")
    except CorpusError as error:
        return _fail(f"the corpus cannot be served: {error}")
    except OSError as error:
        return _fail(_binding_problem(error, settings.host, settings.port))
    _serve_until_stopped(server, sum(catalog.counts().values()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.marvel",
        description="Serve a corpus in the wire format of Marvel API v1. The accepted keys are "
        "MARVEL_PUBLIC_KEY and MARVEL_PRIVATE_KEY of the environment, 1234 and abcd without.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="%(default)s; 0: any")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE_OR_DIR",
        help="serve entities in wire format from .json, .jsonl or .jsonl.gz files instead of "
        "the demo corpus",
    )
    parser.add_argument(
        "--throttle-after", metavar="N", help="answer 429 after N calls in a window"
    )
    parser.add_argument("--throttle-window-seconds", metavar="S", default=60, help="%(default)s")
    parser.add_argument("--daily-limit", metavar="N", help="answer 429 after N calls a UTC day")
    parser.add_argument(
        "--fail-once",
        action="append",
        default=[],
        metavar="PATH_REGEX",
        help="answer 500 to the first request whose path and query match; repeatable",
    )
    parser.add_argument("--verbose", action="store_true", help="print requests to standard error")
    return parser


def _port(text: str) -> int:
    highest = 65_535
    if not (text.isascii() and text.isdigit() and int(text) <= highest):
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {highest}, not {text!r}")
    return int(text)


def _options(settings: argparse.Namespace) -> GatewayOptions:
    keys = KeyPair(
        public=os.environ.get("MARVEL_PUBLIC_KEY") or KeyPair.public,
        private=os.environ.get("MARVEL_PRIVATE_KEY") or KeyPair().private,
    )
    limits = RateLimits(
        throttle_after=settings.throttle_after,
        throttle_window_seconds=settings.throttle_window_seconds,
        daily_limit=settings.daily_limit,
    )
    faults = tuple(Fault(match=pattern, status=500) for pattern in settings.fail_once)
    attribution = MARVEL_ATTRIBUTION if settings.data else DEMO_ATTRIBUTION
    return GatewayOptions(keys, limits, faults, attribution)


def _serve_until_stopped(server: GatewayServer, entity_count: int) -> None:
    stopped = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stopped.set())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    print(f"Marvel gateway ready at {server.url} with {entity_count} entities", flush=True)
    stopped.wait()
    server.shutdown()
    server.server_close()
    thread.join()


def _binding_problem(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: stop what uses it or choose another with --port."
    return f"cannot listen on {host}:{port}: {error.strerror or error}."


def _fail(message: str) -> int:
    complain(message, "marvel_gateway")
    return 1


if __name__ == "__main__":
    sys.exit(run_command(main))
