"""A local stand-in for the retired Marvel API gateway: `python -m examples.marvel`.

It serves a corpus that we wrote in the wire format of Marvel API v1, over real HTTP, with real
checks of signatures, limits and etags. `running_gateway` serves it inside a test.
"""

from examples.marvel.server import running_gateway

__all__ = ["running_gateway"]
