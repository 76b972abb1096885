"""What a mutant is: one place of the code, with and without the safeguard that stands there."""

from dataclasses import dataclass


class CannotBeMadeError(Exception):
    """The code has changed, so that a mutant does not fit it any more; the message says how."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One safeguard, and the same code without it.

    `path` is the file from the root of the repository. `before` occurs exactly once in it, and
    `after` takes its place. `safeguard` says what the thing that is taken away protects from.

    Where a condition of DynamoDB is taken away, it is made always true instead, because DynamoDB
    refuses a request with values that no expression uses: no item has an attribute `absent`.
    """

    name: str
    path: str
    before: str
    after: str
    safeguard: str

    def applied_to(self, source: str) -> str:
        """Return the text of the file without the safeguard.

        Raises:
            CannotBeMadeError: `before` does not occur exactly once.
        """
        if (found := source.count(self.before)) != 1:
            raise CannotBeMadeError(
                f"{self.name}: what it changes occurs {found} times in {self.path}; "
                "correct the entry in tests/simulation/safeguards"
            )
        return source.replace(self.before, self.after)
