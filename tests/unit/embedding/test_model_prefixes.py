"""Which deployed model a corpus has."""

import pytest

from shared.embedding.model_prefixes import ModelPrefixes
from shared.errors import SettingsError
from shared.models.corpus import Corpus
from shared.models.sources import JsonlSource

PREFIXES = ModelPrefixes(
    "models/small/1/", {"small": "models/small/1/", "large": "models/large/7/"}
)


def corpus(model: str | None) -> Corpus:
    return Corpus(name="books", source=JsonlSource(prefix="sources/x/"), model=model)


@pytest.mark.parametrize(
    ("model", "prefix"),
    [(None, "models/small/1/"), ("small", "models/small/1/"), ("large", "models/large/7/")],
)
def test_a_corpus_has_the_model_it_names_or_the_default(model: str | None, prefix: str) -> None:
    assert PREFIXES.of(corpus(model)) == prefix


def test_the_default_can_be_named_where_it_is_the_only_one() -> None:
    alone = ModelPrefixes("models/small/1/")
    assert alone.of(corpus("small")) == alone.of(corpus(None)) == "models/small/1/"


def test_a_model_that_is_not_deployed_is_named_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"books names the model huge.* large, small") as caught:
        PREFIXES.of(corpus("huge"))
    assert not caught.value.is_public
