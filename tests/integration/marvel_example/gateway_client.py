"""A client that speaks plain HTTP to a gateway."""

import hashlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    """What came over the wire; `headers` are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class WireClient:
    """One HTTP request a call, each on a separate connection."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.address = urlsplit(base_url).netloc

    def send(
        self,
        method: str,
        target: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, target, content, dict(headers or {}))
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, **parameters: object
    ) -> Answer:
        """A signed request below `/v1/public`."""
        query = urlencode({**signature("17"), **parameters})
        return self.send("GET", f"/v1/public{path}?{query}", headers=headers)


def signature(timestamp: str) -> dict[str, str]:
    digest = hashlib.md5(f"{timestamp}abcd1234".encode(), usedforsecurity=False).hexdigest()
    return {"ts": timestamp, "apikey": "1234", "hash": digest}
