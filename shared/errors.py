"""The one error hierarchy: `http_status` and `code` alone map it to HTTP and to DLQ reasons.

docs/reference/errors.md describes each code. API users see the message of an error with a number
here, which is its HTTP status; every other error is a 500 `INTERNAL` without its message.

    UltronError
    +- SettingsError
    +- InvalidInputError  400
    +- NotFoundError  404
    +- DimensionMismatchError  409
    +- TextTooLongError  413
    +- OverloadedError  503
    +- PartialFailureError  503
    +- ConflictError
    +- TableTimeError
    +- ContentionError
    +- LeaseHeldError  409
    +- RunCancelledError
    +- InvalidJobError
    +- CorruptObjectError
    |  +- DamagedIndexError  503
    +- SourceError
    |  +- SourceUnavailableError
    |  +- SourceCredentialsError
    |  +- BudgetExhaustedError
    +- NoAnswerError
    +- PostponedError

Classes that only one package raises are beside the code that raises them.
"""

from typing import ClassVar


class UltronError(Exception):
    """Base of every error this project raises on purpose.

    The message says what was wrong, where, and what to do; it never holds a secret. It is shown
    to API users only where `is_public` is true.
    """

    code: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500
    is_public: ClassVar[bool] = False


class SettingsError(UltronError):
    """A setting is missing or malformed; the message names the variable."""

    code = "BAD_SETTINGS"


class InvalidInputError(UltronError):
    """The caller sent something outside the documented bounds."""

    code = "INVALID_INPUT"
    http_status = 400
    is_public = True


class NotFoundError(UltronError):
    """No such corpus, index, run or object."""

    code = "NOT_FOUND"
    http_status = 404
    is_public = True


class DimensionMismatchError(UltronError):
    """Vectors of different models or dimensions were about to meet."""

    code = "DIMENSION_MISMATCH"
    http_status = 409
    is_public = True


class TextTooLongError(UltronError):
    """A text or body exceeds the documented size."""

    code = "TEXT_TOO_LONG"
    http_status = 413
    is_public = True


class OverloadedError(UltronError):
    """A part behind the API has no room right now; asking again shortly is right."""

    code = "OVERLOADED"
    http_status = 503
    is_public = True


class PartialFailureError(UltronError):
    """A part of an index that several functions search together did not answer."""

    code = "PARTIAL_FAILURE"
    http_status = 503
    is_public = True


class ConflictError(UltronError):
    """A conditional write lost its race: what is there now is another writer's."""

    code = "CONFLICT"


class TableTimeError(UltronError):
    """The table's answers do not say what time it is, so that no lease can be decided."""

    code = "TABLE_TIME"


class ContentionError(UltronError):
    """AWS kept rejecting a request because of concurrent ones; nothing was decided or changed.

    It is no `ConflictError`: no other writer won, and the same request may succeed in a moment.
    """

    code = "CONTENTION"
    http_status = 503


class LeaseHeldError(UltronError):
    """Another live run holds the corpus."""

    code = "LEASE_HELD"
    http_status = 409
    is_public = True


class RunCancelledError(UltronError):
    """The run was cancelled: the rest of its work is dropped."""

    code = "RUN_CANCELLED"
    http_status = 409


class InvalidJobError(UltronError):
    """A queue message is not a job of this stage."""

    code = "INVALID_JOB"


class CorruptObjectError(UltronError):
    """A stored object fails its checksum or cannot be parsed; the message names the key."""

    code = "CORRUPT_OBJECT"


class DamagedIndexError(CorruptObjectError):
    """A shard of an index is gone or damaged; the message names it and what takes it out.

    The error that it comes from says what is wrong with which object, and is not for API users.
    """

    code = "DAMAGED_INDEX"
    http_status = 503
    is_public = True


class SourceError(UltronError):
    """A source answered something that cannot be used; the page becomes a gap."""

    code = "SOURCE"


class SourceUnavailableError(SourceError):
    """The source kept failing (429, 5xx, network) after all retries."""

    code = "SOURCE_UNAVAILABLE"


class SourceCredentialsError(SourceError):
    """The source refuses our credentials."""

    code = "SOURCE_CREDENTIALS"


class BudgetExhaustedError(SourceError):
    """The daily budget of calls to a source is spent."""

    code = "BUDGET_EXHAUSTED"


class NoAnswerError(UltronError):
    """A worker that had a message ended without an answer, as often as the message may be tried."""

    code = "NO_ANSWER"


class PostponedError(UltronError):
    """The caller has to wait `seconds`, and gives its work back rather than sleep."""

    code = "POSTPONED"
    http_status = 503

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
