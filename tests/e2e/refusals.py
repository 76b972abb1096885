"""Taking one permission away from a role of the running stack, and seeing what is refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from scripts.local_aws.server import DECISIONS_NAME
from scripts.local_aws.workers import kill_and_wait, workers
from scripts.privileges.statements import role_of
from tests.e2e.stack import Stack, wait_for
from tests.integration.conformance.server import SiteServer
from tests.integration.conformance.site import Site
from tests.integration.conformance.sites.http_json import OffsetTotalSite

_REFUSAL_SECONDS = 60.0
_RECYCLE_SECONDS = 30.0


@dataclass
class Refusals:
    """The roles of a stack, each by its function, on a local AWS that enforces their policies.

    `iam`, `ssm` and `secrets` are clients; `web` serves the sites of corpora; `names` makes a
    corpus of its own for every piece of work, so that the leases, caches and messages of one cannot
    reach into the next.
    """

    stack: Stack
    iam: Any
    ssm: Any
    secrets: Any
    web: SiteServer
    names: Iterator[int] = field(default_factory=count)
    corpora: list[str] = field(default_factory=list)
    made_secrets: list[str] = field(default_factory=list)

    @contextmanager
    def without(self, role: str, *actions: str, sid: str | None = None) -> Iterator[None]:
        """The role lacks these actions, in one statement or in all, for the block."""
        given = self.iam.get_role_policy(RoleName=role_of(role), PolicyName=role)["PolicyDocument"]
        document = json.loads(given) if isinstance(given, str) else given
        kept = []
        for statement in document["Statement"]:
            is_meant = sid in (None, statement["Sid"])
            left = [a for a in statement["Action"] if not (is_meant and a in actions)]
            if left:
                kept.append({**statement, "Action": left})
        assert kept != document["Statement"], f"{role} has no {actions} to take away"
        self._put(role, {**document, "Statement": kept})
        try:
            yield
        finally:
            self._put(role, document)

    def refused(self, role: str, action: str, begun: int) -> bool:
        """Whether the role was refused the action since the decisions were `begun` long."""
        for line in self._decisions()[begun:]:
            decision = json.loads(line)
            if (decision["role"], decision["action"], decision["is_allowed"]) == (
                role_of(role), action, False,
            ):  # fmt: skip
                return True
        return False

    def seen(self) -> int:
        """How many decisions there are by now."""
        return len(self._decisions())

    def wait_for_refusal(self, role: str, action: str, begun: int) -> None:
        """Wait until the role was refused the action."""
        wait_for(
            lambda: self.refused(role, action, begun) or None,
            f"{role} to be refused {action}",
            _REFUSAL_SECONDS,
        )

    def recycle(self, function: str) -> None:
        """End the environments of a function, and with them what they remember."""
        pid = self.stack.deployment.local_aws_pid()
        assert pid is not None, "the local AWS of this suite does not run"
        name = self.stack.outputs["function_names"][function]
        kill_and_wait(workers(pid, name), _RECYCLE_SECONDS)

    def corpus(self) -> str:
        """A new corpus of one note in the bucket; further ones get separate files."""
        name = f"refused-{next(self.names)}"
        self.add_note(name, 0, f"A note of {name}.")
        source = {"kind": "jsonl", "prefix": _prefix(name)}
        return self._add(name, {"source": source, "mapping": {"entity_type": "note"}})

    def add_note(self, corpus: str, number: int, text: str) -> None:
        """Put a note into the bucket, or another in its place."""
        note = {"id": str(number), "title": "A note" if text else "", "text": text}
        self.stack.store.put(f"{_prefix(corpus)}{number}.jsonl", json.dumps(note).encode())

    def web_corpus(self, site: Site | None, *, has_key: bool = False) -> str:
        """A new corpus of a site that is served until the next one is; None answers 404."""
        self.web.serve(site)
        name = f"refused-{next(self.names)}"
        shown = site or OffsetTotalSite()
        source = shown.source(self.stack.deployment.as_functions_see(self.web.url))
        if has_key:
            secret = f"{self.stack.outputs['name_prefix']}/sources/{name}"
            self.secrets.create_secret(Name=secret, SecretString='{"token": "a-key"}')
            self.made_secrets.append(secret)
            source["auth"] = {"secret_name": name}
        return self._add(name, {"source": source, "mapping": shown.mapping})

    def clear(self) -> None:
        """Delete the corpora again, and the keys of their sources."""
        for name in self.corpora:
            self.ssm.delete_parameter(Name=self._parameter(name))
        for secret in self.made_secrets:
            self.secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)

    def _add(self, name: str, document: dict[str, Any]) -> str:
        value = json.dumps({"name": name} | document)
        self.ssm.put_parameter(Name=self._parameter(name), Type="String", Value=value)
        self.corpora.append(name)
        return name

    def _parameter(self, corpus: str) -> str:
        return f"/{self.stack.outputs['name_prefix']}/corpora/{corpus}"

    def _put(self, role: str, document: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName=role_of(role), PolicyName=role, PolicyDocument=json.dumps(document)
        )

    def _decisions(self) -> list[str]:
        path = self.stack.deployment.directory / "aws" / DECISIONS_NAME
        # There is none before the first function has called AWS.
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _prefix(corpus: str) -> str:
    return f"sources/{corpus}/"
