"""`ultron retrieve` and `ultron chat`."""

import argparse

from services.cli.ask.rendering import chat_lines, retrieve_lines
from services.cli.deployment.target import Target
from services.cli.options import Commands, add_command, add_json, show
from shared.models.base import DEFAULT_RESULTS, MAXIMUM_PASSAGES, MAXIMUM_RESULTS

_CORPUS_HELP = "name of the corpus; without it, the deployment's default"


def add_to(commands: Commands) -> None:
    """Add the commands that ask the API."""
    _add_retrieve(commands)
    _add_chat(commands)


def _add_retrieve(commands: Commands) -> None:
    retrieve = add_command(
        commands, "retrieve", _retrieve, "find documents by their passages", "api_url", "api_key",
        example="ultron retrieve 'Who created Ultron?' --k 3 --filter entity=character",
    )  # fmt: skip
    retrieve.add_argument("query", metavar="QUERY", help="what to search for")
    retrieve.add_argument(
        "--k",
        metavar="N",
        help=f"how many results, 1 to {MAXIMUM_RESULTS}; default {DEFAULT_RESULTS}",
    )
    retrieve.add_argument(
        "--passages",
        metavar="N",
        help=f"how many passages of each result to show, 1 to {MAXIMUM_PASSAGES}; default 1",
    )
    retrieve.add_argument(
        "--no-group",
        action="store_true",
        help="passages by themselves, of which several may be of one document",
    )
    retrieve.add_argument("--corpus", metavar="NAME", help=_CORPUS_HELP)
    retrieve.add_argument("--mode", help="dense, lexical or hybrid; default hybrid")
    retrieve.add_argument(
        "--threshold",
        metavar="COSINE",
        help="least cosine similarity of a result, -1 to 1; not with --mode lexical",
    )
    retrieve.add_argument(
        "--filter",
        action="append",
        default=[],
        type=_filter,
        metavar="FIELD=VALUE",
        help="only results whose field has this value; can be repeated",
    )
    retrieve.add_argument(
        "--partial",
        action="store_true",
        help="accept an incomplete answer when a part of a large index does not answer",
    )
    retrieve.add_argument(
        "--no-spelling",
        action="store_true",
        help="search for the words as they are, also those that the index does not know",
    )
    add_json(retrieve)


def _add_chat(commands: Commands) -> None:
    chat = add_command(
        commands, "chat", _chat, "ask a question", "api_url", "api_key",
        example="ultron chat 'Who created Ultron?'",
    )  # fmt: skip
    chat.add_argument("message", metavar="MESSAGE", help="the question")
    chat.add_argument("--session-id", metavar="ID", help="continue a session")
    chat.add_argument("--k", type=int, metavar="N", help="how many documents to answer from")
    chat.add_argument("--corpus", metavar="NAME", help=_CORPUS_HELP)
    add_json(chat)


def _retrieve(options: argparse.Namespace, target: Target) -> int:
    parameters = {
        name: str(value)
        for name in ("k", "passages", "corpus", "mode", "threshold")
        if (value := getattr(options, name)) is not None
    }
    parameters |= {f"filter.{name}": value for name, value in options.filter}
    if options.partial:
        parameters["partial"] = "true"
    if options.no_spelling:
        parameters["spelling"] = "false"
    if options.no_group:
        parameters["group"] = "false"
    show(options, target.api().retrieve(options.query, parameters), retrieve_lines)
    return 0


def _chat(options: argparse.Namespace, target: Target) -> int:
    body = {"message": options.message} | {
        name: value
        for name in ("session_id", "k", "corpus")
        if (value := getattr(options, name)) is not None
    }
    show(options, target.api().chat(body), chat_lines)
    return 0


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is no FIELD=VALUE")
    return name, value
