"""A small corpus of books whose files the index tests rewrite as they like."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.models.run import RunProgress
from tests.e2e.stack import Stack, wait_for

CORPUS = "shelf"
SOURCE = {"kind": "jsonl", "prefix": "sources/shelf/"}
MAPPING = {
    "entity_type": "book",
    "metadata": {"colour": "colour", "pages": "pages", "tags": "tags"},
}
FILES = 8
BOOKS_PER_FILE = 4
COLOURS = ("red", "green", "blue", "white")
# Words that no other book has, so that each can be asked for by name.
_SUBJECTS = (
    "lighthouse glacier harpsichord volcano beekeeping submarine tapestry orchid comet windmill "
    "accordion avalanche saffron catapult lagoon falcon quarry lantern blizzard mosaic caravan "
    "geyser trombone vineyard meteor labyrinth kayak porcelain savanna telescope walrus zeppelin"
).split()


def book(number: int, **changes: Any) -> dict[str, Any]:
    subject = _SUBJECTS[number]
    return {
        "id": f"b{number:02d}",
        "title": f"The {subject}",
        "text": f"Everything that a patient reader may want to know about the {subject}.",
        "colour": COLOURS[number % len(COLOURS)],
        "pages": 100 + 10 * number,
        "tags": ["even" if number % 2 == 0 else "odd", f"shelf-{number // 8}"],
        **changes,
    }


@dataclass
class Shelf:
    """The corpus as it stands at the source, and how the deployed stack sees it."""

    stack: Stack
    books: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            record["id"]: record for record in map(book, range(FILES * BOOKS_PER_FILE))
        }
    )

    def write(self) -> None:
        """Put all files as the books are now; a book keeps its file."""
        for number in range(FILES):
            ids = [f"b{n:02d}" for n in range(number, FILES * BOOKS_PER_FILE, FILES)]
            lines = [json.dumps(self.books[i]) for i in ids if i in self.books]
            key = f"{SOURCE['prefix']}books-{number:02d}.jsonl.gz"
            self.stack.store.put(key, gzip.compress("\n".join(lines).encode(), mtime=0))

    def ingest(self, mode: str = "full") -> RunProgress:
        """Write the files and run to the end."""
        self.write()
        run = self.stack.ingest(CORPUS, mode)
        assert run.run.status == "succeeded", run.run.reason
        return run

    def search(self, q: str, **query: str) -> list[dict[str, Any]]:
        answer = self.stack.retrieve(q, corpus=CORPUS, **query)
        assert answer.status == 200, answer.body
        results: list[dict[str, Any]] = answer.body["results"]
        return results

    def found_ids(self, q: str, **query: str) -> list[str]:
        return [result["meta"]["id"] for result in self.search(q, **query)]

    def version(self) -> int:
        """The version that an answer comes from."""
        answer = self.stack.retrieve("book", corpus=CORPUS)
        return int(answer.body["index"]["version"])

    def wait_until_served(self, book_id: str, text: str | None) -> None:
        """Readers look at the manifest again every few seconds: wait until they show this."""
        filters = {"filter.id": book_id, "k": "10"}
        expected = [] if text is None else [text]

        def served() -> bool | None:
            found = [r["snippet"] for r in self.search(text or "gone", **filters)]
            return True if found == expected else None

        wait_for(served, f"{book_id} to be {expected}", 60)

    def maintained(self) -> None:
        """Wait until its index is as small as it gets."""
        maintained(self.stack)

    def versions(self) -> Sequence[dict[str, Any]]:
        """What `ultron index list` tells, newest first."""
        document = self.stack.ask("index", "list", "--corpus", CORPUS)
        listed: list[dict[str, Any]] = document["indexes"][0]["versions"]
        return listed


def maintained(stack: Stack) -> None:
    """Wait until no job of maintenance is queued or being worked on."""
    url = stack.outputs["queue_urls"]["compact-jobs"]

    def idle() -> bool | None:
        found = stack.sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return True if set(found["Attributes"].values()) == {"0"} else None

    wait_for(idle, "maintenance to be done", 120)
