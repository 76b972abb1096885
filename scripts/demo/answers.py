"""What the demo asks of the deployed API, and how a person goes on from there."""

import json
import shlex
from urllib.parse import urlencode

RETRIEVE_QUERIES = (
    "Who created Ultron?",
    "an android who can change the density of his body",
    "a gleaming robot who was meant to be a bride",
)
CHAT_MESSAGE = "Who created Ultron?"
RESULTS_SHOWN = "3"


def ultron_commands() -> list[list[str]]:
    """Arguments of the `ultron` commands that ask the questions."""
    asked = [["retrieve", query, "--k", RESULTS_SHOWN] for query in RETRIEVE_QUERIES]
    return [*asked, ["chat", CHAT_MESSAGE]]


def curl_lines(api_url: str, api_key: str) -> list[str]:
    """Commands to paste into a shell: one question of each kind."""
    header = f"x-api-key: {api_key}"
    query = urlencode({"q": RETRIEVE_QUERIES[0], "k": RESULTS_SHOWN})
    retrieve = ["curl", "-s", "-H", header, f"{api_url}/retrieve?{query}"]
    body = json.dumps({"message": CHAT_MESSAGE})
    chat = ["curl", "-s", "-H", header, "-d", body, f"{api_url}/chat"]
    return [shlex.join(retrieve), shlex.join(chat)]
