"""`ultron corpus`: adding, trying, listing and removing corpora."""

import argparse
import json
from pathlib import Path
from typing import Any

from services.cli.corpus.administration import CorpusAdministration
from services.cli.corpus.corpus_files import read_corpus_file
from services.cli.corpus.corpus_listing import CorpusListing
from services.cli.corpus.rendering import (
    added_lines,
    corpora_lines,
    corpus_lines,
    removed_lines,
    trial_lines,
)
from services.cli.corpus.schedules import Schedules
from services.cli.deployment.target import Target
from services.cli.functions import invoke
from services.cli.options import Commands, add_command, add_group, add_json, positive, show
from shared.corpora.documents import corpus_document
from shared.corpora.entity_versions import EntityVersions
from shared.corpora.index_floor import IndexFloor
from shared.platform import aws, wiring

TRIED_RECORDS = 5
TRIAL_TIMEOUT_SECONDS = 310  # the ingest function may take 300


def add_to(commands: Commands) -> None:
    """Add the commands about corpora."""
    summary = "add, try, list and remove corpora"
    corpus = add_group(commands, "corpus", summary, example="ultron corpus list")
    _add_adding(corpus)
    _add_looking(corpus)
    _add_trying(corpus)
    _add_removing(corpus)


def _add_adding(corpus: Commands) -> None:
    added = add_command(
        corpus, "add", _add, "add a corpus, or change a corpus that was added by this command",
        example="ultron corpus add manuals.json",
    )  # fmt: skip
    added.add_argument(
        "file", type=Path, metavar="FILE", help="the corpus's document, JSON or TOML"
    )
    added.add_argument("--name", metavar="NAME", help="use this name instead of the document's")
    added.add_argument(
        "--replace", action="store_true", help="replace the document that the corpus has"
    )
    add_json(added)


def _add_looking(corpus: Commands) -> None:
    listed = add_command(
        corpus, "list", _list, "list the corpora", example="ultron corpus list --json"
    )
    add_json(listed)

    shown = add_command(
        corpus, "show", _show, "show a corpus and its document", example="ultron corpus show marvel"
    )
    shown.add_argument("name", metavar="NAME", help="name of the corpus")
    add_json(shown)


def _add_trying(corpus: Commands) -> None:
    tried = add_command(
        corpus, "try", _try, "show the entities of a corpus's first records", "ingest_function",
        example="ultron corpus try --file manuals.json --limit 2",
    )  # fmt: skip
    which = tried.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", metavar="NAME", help="name of the corpus")
    which.add_argument("--file", type=Path, metavar="FILE", help="a document that is not yet added")
    tried.add_argument(
        "--limit",
        type=positive,
        default=TRIED_RECORDS,
        metavar="N",
        help="how many records; default %(default)s",
    )
    add_json(tried)


def _add_removing(corpus: Commands) -> None:
    removed = add_command(
        corpus, "remove", _remove, "remove a corpus; its data stays",
        example="ultron corpus remove manuals --delete-index",
    )  # fmt: skip
    removed.add_argument("name", metavar="NAME", help="name of the corpus")
    removed.add_argument(
        "--delete-index",
        action="store_true",
        help="delete its index and vectors too; a later corpus of this name begins without them",
    )
    add_json(removed)


def _add(options: argparse.Namespace, target: Target) -> int:
    corpus = read_corpus_file(options.file, options.name)
    outcome = _administration(target).add(corpus, replace=options.replace)
    show(options, outcome, added_lines)
    return 0


def _list(options: argparse.Namespace, target: Target) -> int:
    show(options, _listing(target).all(), corpora_lines)
    return 0


def _show(options: argparse.Namespace, target: Target) -> int:
    show(options, _listing(target).one(options.name), corpus_lines)
    return 0


def _try(options: argparse.Namespace, target: Target) -> int:
    event: dict[str, Any] = {"action": "try", "limit": options.limit}
    if options.file is not None:
        event["document"] = json.loads(corpus_document(read_corpus_file(options.file)))
    else:
        event["corpus"] = options.name
    client = aws.lambda_client(TRIAL_TIMEOUT_SECONDS)
    show(options, invoke(client, target.ingest_function(), event), trial_lines)
    return 0


def _remove(options: argparse.Namespace, target: Target) -> int:
    outcome = _administration(target).remove(options.name, delete_index=options.delete_index)
    show(options, outcome, lambda _: removed_lines(outcome, target.published.bucket_name))
    return 0


def _listing(target: Target) -> CorpusListing:
    published = target.published
    return CorpusListing(
        documents=target.corpora(),
        schedules=Schedules(aws.events_client(), published.schedule),
        state=wiring.corpus_state(target.table_name()),
        runs=target.runs(),
    )


def _administration(target: Target) -> CorpusAdministration:
    listing = _listing(target)
    return CorpusAdministration(
        documents=listing.documents,
        schedules=listing.schedules,
        state=listing.state,
        floor=IndexFloor(aws.dynamodb_client(), target.table_name()),
        runs=target.run_store(),
        versions=EntityVersions(aws.dynamodb_client(), target.table_name()),
        store=target.objects(),
        models=target.published.models,
    )
