"""What Terraform takes for a corpus is what the functions take."""

import json
from pathlib import Path

from scripts.corpus_schema import SCHEMA_PATH, corpus_schema
from shared.models.corpus import Corpus
from shared.models.sources import AnySource

ROOT = Path(__file__).resolve().parents[3]


def test_terraform_checks_corpora_by_the_schema_of_the_models() -> None:
    written = (ROOT / SCHEMA_PATH).read_text(encoding="utf-8")
    assert written == corpus_schema(), "write it again: python -m scripts.corpus_schema"


def test_the_schema_has_each_field_of_each_model() -> None:
    schema = json.loads(corpus_schema())
    assert set(schema["properties"]) == set(Corpus.model_fields)
    for model in AnySource.__args__:
        definition = schema["$defs"][model.__name__]
        assert set(definition["properties"]) == set(model.model_fields)


def test_terraform_knows_the_forms_of_rules_that_the_schema_uses() -> None:
    """A new form of rule would be passed over without a word: teach Terraform it first."""
    known = {
        "additionalProperties", "anyOf", "const", "default", "discriminator", "enum",
        "exclusiveMinimum", "items", "maxItems", "maxLength", "maxProperties", "maximum",
        "minItems", "minLength", "minimum", "oneOf", "pattern", "patternProperties", "properties",
        "required", "type", "$ref", "$defs",
    }  # fmt: skip
    assert _keywords(json.loads(corpus_schema())) <= known


def _keywords(schema: object) -> set[str]:
    """The keywords of a schema; the names in these maps are fields, patterns, models, values."""
    found: set[str] = set()
    if isinstance(schema, list):
        return found.union(*map(_keywords, schema))
    if not isinstance(schema, dict):
        return found
    for keyword, value in schema.items():
        found.add(keyword)
        if keyword in ("properties", "patternProperties", "$defs"):
            found |= _keywords(list(value.values()))
        elif keyword not in ("default", "discriminator", "enum", "const"):
            found |= _keywords(value)
    return found
