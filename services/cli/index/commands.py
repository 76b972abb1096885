"""`ultron index`: versions and shards of an index, its repair, and its recall."""

import argparse
from typing import Any

from services.cli.deployment.target import Target
from services.cli.index.rendering import (
    index_lines,
    marked_lines,
    recall_lines,
    shards_lines,
)
from services.cli.index.upkeep import (
    index_document,
    mark_shard_bad,
    measure_recall,
    newest_versions,
    rebuild_index,
    restore_index,
    shards_document,
    wait_for_rebuild,
)
from services.cli.options import (
    Commands,
    add_command,
    add_corpus,
    add_group,
    add_json,
    add_timeout,
    positive,
    show,
)
from services.cli.output import write_line
from shared.platform import aws

COMPACTOR_TIMEOUT_SECONDS = 910  # the function may take 900
RETRIEVE_TIMEOUT_SECONDS = 35  # it may take 29
LISTED_VERSIONS = 20


def add_to(commands: Commands) -> None:
    """Add the commands about indexes."""
    summary = "list, restore, repair and check the index of a corpus"
    index = add_group(commands, "index", summary, example="ultron index list --corpus marvel")
    _add_looking(index)
    _add_mark_bad(index)
    _add_restore(index)
    _add_rebuild(index)
    _add_recall(index)


def _add_looking(index: Commands) -> None:
    listed = add_command(
        index, "list", _list, "list the versions of an index, the newest first", "bucket_name",
        example="ultron index list --corpus marvel",
    )  # fmt: skip
    add_corpus(listed)
    listed.add_argument(
        "--limit",
        type=positive,
        default=LISTED_VERSIONS,
        metavar="N",
        help="at most so many; default %(default)s",
    )
    add_json(listed)

    shards = add_command(
        index, "shards", _shards, "list the shards of the newest version", "bucket_name",
        example="ultron index shards --corpus marvel",
    )  # fmt: skip
    add_corpus(shards)
    add_json(shards)


def _add_mark_bad(index: Commands) -> None:
    summary = "remove a damaged shard from an index, and rebuild what the shard held"
    marked = add_command(
        index, "mark-bad", _mark_bad, summary, "compactor_function",
        example="ultron index mark-bad --corpus marvel --shard 1f0c9a7be2d84431-6b7d02c5a9e1f388",
    )  # fmt: skip
    add_corpus(marked)
    marked.add_argument(
        "--shard", required=True, metavar="ID", help="id of the shard, from `ultron index shards`"
    )
    marked.add_argument(
        "--no-rebuild", action="store_true", help="let the next run embed its entities again"
    )
    add_json(marked)


def _add_restore(index: Commands) -> None:
    restore = add_command(
        index, "restore", _restore, "bring an earlier version of an index back",
        "compactor_function", example="ultron index restore --corpus marvel --version 1",
    )  # fmt: skip
    add_corpus(restore)
    restore.add_argument(
        "--version",
        type=positive,
        required=True,
        metavar="N",
        help="a version that `ultron index list` shows",
    )
    add_json(restore)


def _add_rebuild(index: Commands) -> None:
    summary = "build an index again from the stored vectors"
    rebuild = add_command(
        index, "rebuild", _rebuild, summary, "compactor_function", "bucket_name",
        example="ultron index rebuild --corpus marvel --wait",
    )  # fmt: skip
    add_corpus(rebuild)
    rebuild.add_argument("--wait", action="store_true", help="wait until the new index is live")
    add_timeout(rebuild)
    add_json(rebuild)


def _add_recall(index: Commands) -> None:
    summary = "compare the answers of an index with those of an exact search"
    recall = add_command(
        index, "recall", _recall, summary, "retrieve_function",
        example="ultron index recall --corpus marvel --samples 20",
    )  # fmt: skip
    add_corpus(recall)
    recall.add_argument(
        "--samples", type=positive, required=True, metavar="N", help="how many queries to try"
    )
    recall.add_argument(
        "--k",
        type=positive,
        default=10,
        metavar="N",
        help="results of a query; default %(default)s",
    )
    recall.add_argument(
        "--seed", type=int, metavar="S", help="choose the same samples as an earlier call"
    )
    add_json(recall)


def _list(options: argparse.Namespace, target: Target) -> int:
    document = index_document(target.objects(), options.corpus, options.limit)
    show(options, document, index_lines)
    return 0


def _shards(options: argparse.Namespace, target: Target) -> int:
    show(options, shards_document(target.objects(), options.corpus), shards_lines)
    return 0


def _mark_bad(options: argparse.Namespace, target: Target) -> int:
    client = aws.lambda_client(COMPACTOR_TIMEOUT_SECONDS)
    answer = mark_shard_bad(
        client,
        target.compactor_function(),
        options.corpus,
        options.shard,
        rebuild=not options.no_rebuild,
    )
    show(options, answer, marked_lines)
    return 0


def _restore(options: argparse.Namespace, target: Target) -> int:
    client = aws.lambda_client(COMPACTOR_TIMEOUT_SECONDS)
    answer = restore_index(client, target.compactor_function(), options.corpus, options.version)
    show(
        options,
        answer,
        lambda _: [
            f"version {options.version} of {options.corpus} is restored, "
            f"as version {answer['version']}"
        ],
    )
    return 0


def _rebuild(options: argparse.Namespace, target: Target) -> int:
    client = aws.lambda_client(COMPACTOR_TIMEOUT_SECONDS)
    function_name = target.compactor_function()
    store = target.objects() if options.wait else None
    before = newest_versions(store, options.corpus) if store else {}
    started = rebuild_index(client, function_name, options.corpus)
    rebuild_id = started["rebuild_id"]
    begun = f"rebuild {rebuild_id} of {options.corpus} has begun: {started['steps']} steps"
    if store is None:
        show(options, started, lambda _: [begun])
        return 0
    if not options.json:
        write_line(begun)
    manifest = wait_for_rebuild(store, options.corpus, rebuild_id, before, options.timeout)
    ended: dict[str, Any] = started | {"version": manifest.version}
    show(options, ended, lambda _: [f"it is live as version {manifest.version}"])
    return 0


def _recall(options: argparse.Namespace, target: Target) -> int:
    request = {"corpus": options.corpus, "samples": options.samples, "k": options.k}
    if options.seed is not None:
        request["seed"] = options.seed
    client = aws.lambda_client(RETRIEVE_TIMEOUT_SECONDS)
    show(options, measure_recall(client, target.retrieve_function(), request), recall_lines)
    return 0
