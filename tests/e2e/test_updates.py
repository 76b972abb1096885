"""What changes at the source changes in the answers, and nothing else is read again."""

from shared.models.run import RunProgress
from tests.e2e.stack import Stack, wait_for

ENTITY = "9100006"  # Jocasta
NEW_TEXT = "Zanzibar porcupines guard the silver lighthouse of the western archive."
OLD_TEXT = "She sees in many wavelengths, shoots energy from her eyes"


def snippets(stack: Stack, query: str) -> list[str]:
    answer = stack.invoke(
        "retrieve", {"retrieve": {"q": query, "k": 20, "filters": {"id": ENTITY}}}
    )
    return [result["snippet"] for result in answer["results"]]


def test_an_updated_entity_replaces_its_old_chunks(stack: Stack, marvel_run: RunProgress) -> None:
    # A run that ends well sets the watermark: the one before may have ended with a gap.
    assert stack.ingest("marvel", "full").run.status == "succeeded"
    assert any(OLD_TEXT in snippet for snippet in snippets(stack, OLD_TEXT))
    change = {"type": "characters", "id": int(ENTITY), "description": NEW_TEXT}
    stack.control("PUT", "/entities", [change])
    run = stack.ingest("marvel")
    assert run.run.status == "succeeded", run.run.reason
    # One page: what changed, and what lies right on the watermark, which is inclusive.
    assert run.run.pages_planned == 1
    assert run.entities <= 2

    def replaced() -> list[str] | None:
        found = snippets(stack, NEW_TEXT)
        return found if found == [NEW_TEXT] else None

    # Readers look at the manifest again every few seconds.
    wait_for(replaced, "the new text to be served alone", 30)
    assert not any(OLD_TEXT in snippet for snippet in snippets(stack, OLD_TEXT))
