"""Taking one permission away from a role of the running stack, and seeing what is refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from scripts.local_aws.server import DECISIONS_NAME
from scripts.local_aws.workers import kill, workers
from tests.e2e.stack import Stack, wait_for

_REFUSAL_SECONDS = 12.0


@dataclass
class Refusals:
    """The roles of a stack on a local AWS that enforces their policies.

    `iam` and `ssm` are clients; `names` makes a corpus of its own for every piece of work, so that
    the leases, caches and messages of one cannot reach into the next.
    """

    stack: Stack
    iam: Any
    ssm: Any
    names: Iterator[int] = field(default_factory=count)
    corpora: list[str] = field(default_factory=list)

    @contextmanager
    def without(self, role: str, *actions: str, sid: str | None = None) -> Iterator[None]:
        """The role lacks these actions, in one statement or in all, for the block."""
        given = self.iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
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
                role, action, False,
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
        for worker in workers(pid, self.stack.outputs["function_names"][function]):
            kill(worker)

    def corpus(self, notes: int = 1, **document: Any) -> str:
        """A new corpus: of notes in the bucket, each in a file of its own."""
        name = f"refused-{next(self.names)}"
        prefix = f"sources/{name}/"
        for number in range(notes):
            note = {"id": str(number), "title": "A note", "text": f"Note {number} of {name}."}
            self.stack.store.put(f"{prefix}{number}.jsonl", json.dumps(note).encode())
        source = {"kind": "jsonl", "prefix": prefix}
        document = {"source": source, "mapping": {"entity_type": "note"}} | document
        self.ssm.put_parameter(
            Name=self._parameter(name), Type="String", Value=json.dumps({"name": name} | document)
        )
        self.corpora.append(name)
        return name

    def forget_corpora(self) -> None:
        """Delete the corpora again."""
        for name in self.corpora:
            self.ssm.delete_parameter(Name=self._parameter(name))

    def _parameter(self, corpus: str) -> str:
        return f"/{self.stack.outputs['name_prefix']}/corpora/{corpus}"

    def _put(self, role: str, document: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName=role, PolicyName=role, PolicyDocument=json.dumps(document)
        )

    def _decisions(self) -> list[str]:
        path = self.stack.deployment.directory / "aws" / DECISIONS_NAME
        # There is none before the first function has called AWS.
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
