"""How every command of this project reports errors, and ends when its output is not read."""

import os
import select
import sys
from collections.abc import Callable
from typing import TextIO

from shared.platform.printing import printable_lines

# What a shell shows for a command that SIGPIPE ended, as `cat` in `cat FILE | head`.
EXIT_NOT_READ = 141


def run_command(main: Callable[[], int | None]) -> int:
    """Do `main`; its exit status, or 141 when standard output or error is a pipe without a reader.

    SIGPIPE itself stays ignored: it would end the command without a word at any connection that a
    server closed. A BrokenPipeError that is about such a connection is raised.
    """
    try:
        try:
            status = main()
        finally:
            # Here, where it can be handled: at the interpreter's end it would be a traceback.
            sys.stdout.flush()
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]
        if not unread:
            raise
        for stream in unread:
            _discard(stream)
        return EXIT_NOT_READ
    return status or 0


def complain(message: object, title: str = "error") -> None:
    """Write on standard error what was wrong; whatever others said in it stays printable."""
    sys.stderr.write(printable_lines(f"{title}: {message}") + "\n")
    sys.stderr.flush()


def _is_unread(stream: TextIO) -> bool:
    """Whether the stream is a pipe that nothing can read any more."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard(stream: TextIO) -> None:
    """Discard the output that is still to be written, so that the process ends without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
