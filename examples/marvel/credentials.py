"""Request signing: `hash` is md5(ts + private key + public key)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from examples.marvel.refusals import invalid_credentials, missing_parameter


@dataclass(frozen=True)
class KeyPair:
    """The one key pair the gateway accepts."""

    public: str = "1234"
    private: str = field(default="abcd", repr=False)


def request_hash(timestamp: str, keys: KeyPair) -> str:
    """The hash a request with this `ts` must carry, 32 lower-case hex characters."""
    text = f"{timestamp}{keys.private}{keys.public}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def check_credentials(parameters: Mapping[str, str], keys: KeyPair) -> None:
    """Raise RequestRefusedError unless `ts`, `apikey` and `hash` belong together."""
    if "apikey" not in parameters:
        raise missing_parameter("user key")
    if "hash" not in parameters:
        raise missing_parameter("hash")
    if "ts" not in parameters:
        raise missing_parameter("timestamp")
    if parameters["apikey"] != keys.public:
        raise invalid_credentials("The passed API key is invalid.")
    expected = request_hash(parameters["ts"], keys)
    if not hmac.compare_digest(parameters["hash"].lower().encode(), expected.encode()):
        raise invalid_credentials("That hash, timestamp and key combination is invalid.")
