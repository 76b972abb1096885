"""The errors of the servers that these tools start."""


class LocalProcessError(Exception):
    """A server cannot be started or stopped; the message is for the person at the terminal."""


class PortTakenError(LocalProcessError):
    """Another program has the port."""
