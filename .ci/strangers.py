"""Listen on ports as programs that have nothing to do with us, until ended: `strangers.py PORT…`.

A port that is taken already is left to whoever has it. Every request is answered 200 with a
sentence: what takes the mere answer for its own server is found out.
"""

import signal
import sys
import threading
from socketserver import StreamRequestHandler, ThreadingTCPServer

SENTENCE = b"Another program listens here.\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % len(SENTENCE)


class Stranger(StreamRequestHandler):
    """Reads the lines before the body of a request and answers the same to each."""

    timeout = 10

    def handle(self) -> None:
        """Answer one request."""
        while self.rfile.readline(65536).strip():
            pass
        self.wfile.write(HEAD + SENTENCE)


class Listener(ThreadingTCPServer):
    """Its threads end with the process; a port that was in use a moment ago can be taken."""

    allow_reuse_address = True
    daemon_threads = True


def main(ports: list[int]) -> None:
    """Take the ports that are free, say so, and serve until a signal."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    for port in ports:
        try:
            listener = Listener(("127.0.0.1", port), Stranger)
        except OSError as error:
            sys.stdout.write(f"Port {port} is taken already ({error.strerror}).\n")
        else:
            threading.Thread(target=listener.serve_forever, daemon=True).start()
            sys.stdout.write(f"A stranger listens on port {port}.\n")
    sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
