"""Writes the JSON Schema of a corpus, by which Terraform checks its variable `corpora`.

    python -m scripts.corpus_schema

The models in shared/models say what a corpus may hold; the file only repeats it in a form that
Terraform reads, so it is written by this command and never by hand.
"""

import json
from pathlib import Path
from typing import Any

from scripts.build_support import repository_root, write_whole
from shared.models.corpus import Corpus

SCHEMA_PATH = Path("terraform") / "modules" / "corpora" / "check" / "corpus.schema.json"
# What is said to people in the models, and would only make the file longer.
_LEFT_OUT = ("title", "description")


def corpus_schema() -> str:
    """The schema of a corpus as a text, the same for the same models."""
    schema = Corpus.model_json_schema()
    definitions = {name: _definition(part) for name, part in sorted(schema.pop("$defs").items())}
    document = _definition(schema) | {"$defs": definitions}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _definition(model: dict[str, Any]) -> dict[str, Any]:
    """One model's schema; the names of its fields are kept even where they are `title`."""
    properties = {name: _without_prose(rule) for name, rule in model["properties"].items()}
    return _without_prose(model) | {"properties": properties}


def _without_prose(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in _LEFT_OUT}


if __name__ == "__main__":
    write_whole(repository_root() / SCHEMA_PATH, corpus_schema().encode())
