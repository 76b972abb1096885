"""The smallest pieces of work that need a permission; each is done while the role lacks it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from scripts.local_aws.account import ACCOUNT_ID, REGION
from shared.storage.keys import manifest_key
from tests.e2e.refusals import Refusals
from tests.integration.conformance.site import Site

# Begins the work with the role as it is; what the block does, it does without the permission.
Work = Callable[[Refusals], Callable[[], object]]
_RUN = "20260101T000000Z-0000000a"
_PAGE = {"run_id": _RUN, "page_id": "objects-00000", "seq": 1}


def ask(refusals: Refusals, function: str, payload: dict[str, Any]) -> Any:
    """Invoke a function; an error of it is an answer too."""
    response = refusals.stack.lambdas.invoke(
        FunctionName=refusals.stack.outputs["function_names"][function],
        Payload=json.dumps(payload).encode(),
    )
    return json.loads(response["Payload"].read())


def deliver(refusals: Refusals, function: str, job: dict[str, Any]) -> Any:
    """Invoke a function with a message; of which queue makes no difference to it."""
    queue = refusals.stack.outputs["queue_urls"]["page-jobs"].rpartition("/")[2]
    record = {
        "messageId": uuid.uuid4().hex,
        "receiptHandle": "none",
        "body": json.dumps(job),
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}",
    }
    return ask(refusals, function, {"Records": [record]})


def begin(refusals: Refusals, corpus: str) -> Any:
    """Ask for a full run; what ingest answers."""
    request = {"corpus": corpus, "mode": "full", "request_id": uuid.uuid4().hex}
    return ask(refusals, "ingest", request)


def run_of_one_note(refusals: Refusals) -> Callable[[], object]:
    """A full run of a separate corpus."""
    corpus = refusals.corpus()
    return lambda: begin(refusals, corpus)


def absent(function: str, **fields: Any) -> Work:
    """A job of a run that there is, whose input is absent."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        corpus = refusals.corpus()
        run = refusals.stack.ingest(corpus, "full").run
        page = {"run_id": run.run_id, "page_id": "absent-00000", "seq": run.seq}
        return lambda: deliver(refusals, function, {"corpus": corpus, **page, **fields})

    return prepare


def indexed(function: str, payload: Callable[[str], dict[str, Any]]) -> Work:
    """A direct invocation about a corpus that is indexed."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        corpus = refusals.corpus()
        assert refusals.stack.ingest(corpus, "full").run.status == "succeeded"
        return lambda: ask(refusals, function, payload(corpus))

    return prepare


def never_indexed(refusals: Refusals) -> Callable[[], object]:
    """A question to a corpus of which there is no index."""
    corpus = refusals.corpus()
    return lambda: ask(refusals, "retrieve", {"retrieve": {"q": "note", "corpus": corpus}})


def recycled(function: str, work: Work) -> Work:
    """In an environment that remembers nothing."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        prepared = work(refusals)
        refusals.recycle(function)
        return prepared

    return prepare


def question(refusals: Refusals) -> Callable[[], object]:
    """The second turn of a chat."""
    session = uuid.uuid4().hex
    refusals.stack.chat("What is a note about porcupines?", session_id=session)
    return lambda: refusals.stack.chat("What is a lighthouse?", session_id=session)


def web_run_of(site: Site, *, has_key: bool = False) -> Work:
    """A full run of a site, which may want a key of the corpus's own."""

    def prepare(refusals: Refusals) -> Callable[[], object]:
        corpus = refusals.web_corpus(site, has_key=has_key)
        return lambda: begin(refusals, corpus)

    return prepare


def unplanned(refusals: Refusals) -> Callable[[], object]:
    """A run that ends as it begins: its source answers with an error."""
    corpus = refusals.web_corpus(None)
    return lambda: begin(refusals, corpus)


def object_gone(refusals: Refusals) -> Callable[[], object]:
    """A page whose object is gone."""
    corpus = refusals.corpus()
    key = f"sources/{corpus}/none.jsonl"
    job = {"corpus": corpus, **_PAGE, "kind": "page", "endpoint": "records",
           "query": {"key": key, "size_bytes": "10"}}  # fmt: skip
    return lambda: deliver(refusals, "fetch", job)


def maintenance_by_queue(refusals: Refusals) -> Callable[[], object]:
    """A job of maintenance, which fails when something else is lacking as well."""
    corpus = refusals.corpus()
    assert refusals.stack.ingest(corpus, "full").run.status == "succeeded"
    job = json.dumps({"kind": "maintain", "corpus": corpus})
    url = refusals.stack.outputs["queue_urls"]["compact-jobs"]
    return lambda: refusals.stack.sqs.send_message(QueueUrl=url, MessageBody=job)


def history_expired(refusals: Refusals) -> Callable[[], object]:
    """The collection of a version that nobody may want any more."""
    corpus = refusals.corpus()
    for number in range(3):
        refusals.add_note(corpus, number, "A text of another version.")
        assert refusals.stack.ingest(corpus, "full").run.status == "succeeded"
    maintain = {"maintain": {"corpus": corpus}}

    def collect() -> object:
        with refusals.stack.environment("compactor", {"HISTORY_KEPT_DAYS": "0"}):
            return ask(refusals, "compactor", maintain)

    return collect


def model_changed(refusals: Refusals) -> Callable[[], object]:
    """The completion of an index after a change of model.

    Of an entity without text it holds nothing any more, as after a merge, but its version.
    """
    corpus, store = refusals.corpus(), refusals.stack.store
    refusals.add_note(corpus, 1, "")
    assert refusals.stack.ingest(corpus, "full").run.status == "succeeded"
    index = next(refusals.stack.versions(corpus))
    kept = [shard for shard in index.shards if shard.vectors]
    assert len(kept) < len(index.shards), index.shards
    former = index.model.model_copy(update={"id": "former-model"})
    for manifest in (
        index.model_copy(update={"shards": tuple(kept)}),
        index.model_copy(update={"model": former, "generation": 1, "shards": ()}),
    ):
        key = manifest_key(corpus, manifest.model)
        store.put(key, manifest.model_dump_json().encode())
    return lambda: begin(refusals, corpus)


def beyond_one_environment(refusals: Refusals) -> Callable[[], object]:
    """A question to an index of two shards, which retrieve may not hold at once."""
    corpus = refusals.corpus()
    for number in range(2):
        refusals.add_note(corpus, number, "A text of another shard.")
        assert refusals.stack.ingest(corpus, "full").run.status == "succeeded"
    manifest = next(refusals.stack.versions(corpus))
    assert len(manifest.shards) > 1, manifest.shards
    budget_mb = 0.6 * sum(shard.size_bytes for shard in manifest.shards) / 2**20

    def asked() -> object:
        with refusals.stack.environment("retrieve", {"MEMORY_BUDGET_MB": str(budget_mb)}):
            return ask(refusals, "retrieve", {"retrieve": {"q": "note", "corpus": corpus}})

    return asked
