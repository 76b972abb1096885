"""No foreign text costs more than in proportion to its length.

Twice the text may cost 2.5 times the work. Work is the processor time of this process, and what is
judged is a ratio of two such times: four times the text against 2.5², the best of several attempts,
and only where the time is long enough to be measured. A quadratic function has a ratio of 16.
"""

import contextlib
import gc
import time
import urllib.parse
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest

from shared.errors import UltronError
from shared.models.corpus import ChunkingSettings
from shared.text.chunking import split_passages
from tests.unit.text.foreign import FUNCTIONS, GENERATORS, SLOW

LARGEST_RATIO = 2.5**2
MEASURABLE_SECONDS = 0.02
LENGTH, LENGTH_FOR_SLOW = 32_000, 4_000
ATTEMPTS = 4


@pytest.fixture(autouse=True)
def _without_collection() -> Iterator[None]:
    """Python looks for garbage now and then, at the expense of whatever is measured."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def cost(function: Callable[[str], Any], text: str) -> float:
    """How many seconds of processor time a call takes; a refusal counts like any answer."""
    urllib.parse.clear_cache()  # type: ignore[attr-defined]  # it remembers the last addresses
    started = time.process_time()
    with contextlib.suppress(ValueError, UltronError):
        function(text)
    return time.process_time() - started


def ratio(
    function: Callable[[str], Any], generate: Callable[[int], str], length: int, base: float
) -> float:
    """How many times more `length` costs than a quarter of it; 1 where that is soon done."""
    found = inf
    four, one = generate(length), generate(length // 4)
    for attempt in range(1, ATTEMPTS + 1):
        # What else the machine does can only add: the least of several costs is the nearest.
        of_four = min(cost(function, four) for _ in range(attempt)) - base
        if of_four < MEASURABLE_SECONDS:
            return 1.0
        of_one = min(cost(function, one) for _ in range(attempt + 1)) - base
        found = min(found, of_four / max(of_one, MEASURABLE_SECONDS / 100))
        if found <= LARGEST_RATIO:
            break
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_four_times_the_text_costs_no_more_than_in_proportion(name: str) -> None:
    function = FUNCTIONS[name]
    length = LENGTH_FOR_SLOW if name in SLOW else LENGTH
    # Half of what any call costs: to take off more than that would make a ratio of mere noise.
    base = min(cost(function, "a") for _ in range(3)) / 2
    found = {kind: ratio(function, one, length, base) for kind, one in GENERATORS.items()}
    assert {kind: round(r, 1) for kind, r in found.items() if r > LARGEST_RATIO} == {}


@pytest.mark.parametrize("text", ["a", "a " * 30 + "b" * 5000, "\u4e00"])
def test_a_sentence_of_megabytes_is_cut_in_linear_time(text: str) -> None:
    def passages(sentence: str) -> None:
        for _ in split_passages(sentence, ChunkingSettings()):
            pass

    def sentence(length: int) -> str:
        return (text * (length // len(text) + 1))[:length]

    assert ratio(passages, sentence, 4_000_000, 0.0) <= LARGEST_RATIO
