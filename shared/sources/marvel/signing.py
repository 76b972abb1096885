"""Request signing, as developer.marvel.com/documentation/authorization describes it."""

import hashlib
from dataclasses import dataclass, field
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class MarvelKeys:
    """The key pair of a developer account; neither part is shown by `repr`."""

    public_key: str = field(repr=False)
    private_key: str = field(repr=False)

    def signed_query(self, timestamp: str) -> str:
        """Return `ts`, `apikey` and `hash` = md5(ts + private + public) as a query string."""
        text = f"{timestamp}{self.private_key}{self.public_key}"
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return urlencode({"ts": timestamp, "apikey": self.public_key, "hash": digest})
