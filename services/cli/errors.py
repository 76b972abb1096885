"""Errors only the command has, and the exit status of each kind."""

from shared.errors import (
    ConflictError,
    InvalidInputError,
    LeaseHeldError,
    NotFoundError,
    SettingsError,
    UltronError,
)

EXIT_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_NOT_FOUND = 3
EXIT_REFUSED = 4
EXIT_RUN_NOT_SUCCEEDED = 5
EXIT_INTERRUPTED = 130


class RefusedError(UltronError):
    """The deployment does not take these credentials."""

    code = "REFUSED"
    http_status = 403


class UnavailableError(UltronError):
    """The deployment does not answer, or fails."""

    code = "UNAVAILABLE"
    http_status = 503


def exit_status(error: UltronError) -> int:
    """The status with which the command ends on this error."""
    if isinstance(error, (InvalidInputError, SettingsError)):
        return EXIT_WRONG_USE
    if isinstance(error, NotFoundError):
        return EXIT_NOT_FOUND
    if isinstance(error, (RefusedError, LeaseHeldError, ConflictError)):
        return EXIT_REFUSED
    return EXIT_FAILED
